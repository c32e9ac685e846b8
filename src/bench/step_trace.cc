#include "bench/step_trace.h"

#include <algorithm>
#include <barrier>
#include <exception>
#include <memory>
#include <numeric>
#include <thread>

#include "bench/clock_pair.h"
#include "bench/on_device.h"
#include "bench/step_bench.h"
#include "pdl/launch_observer.h"
#include "slipstream/error.h"

namespace slipstream::bench {
namespace {

// A graph of a step of instrumented kernels, and how many CTAs each of its launches has.
class InstrumentedStep {
 public:
  InstrumentedStep(StepBench& bench, cudaStream_t stream, bool pdl)
      : graph_(stream, [&](cudaStream_t captured) {
          const pdl::LaunchObserver observer([&](const pdl::ObservedLaunch& launch) {
            const dim3 grid = launch.shape.grid;
            ctas_.push_back(static_cast<int>(grid.x * grid.y * grid.z));
          });
          bench.enqueue({.stream = captured, .pdl = pdl}, true);
        }) {}

  [[nodiscard]] const std::vector<int>& ctas() const { return ctas_; }
  void launch() const { graph_.launch(); }

 private:
  std::vector<int> ctas_;
  CapturedGraph graph_;
};

// One rank's part in a trace. Every call has the rank's device current.
class RankTracer {
 public:
  RankTracer(const TracedRank& rank, bool pdl)
      : bench_(*rank.bench),
        stream_(rank.stream),
        step_(bench_, stream_, pdl),
        // Where few CTAs run, some SMs may get most of them.
        recorder_(
            static_cast<uint32_t>(std::reduce(step_.ctas().begin(), step_.ctas().end()) / 16) +
            256) {}

  [[nodiscard]] const std::vector<int>& ctas() const { return step_.ctas(); }

  // Two steps, of which the second is recorded.
  void enqueue() {
    bench_.reset(1);
    step_.launch();
    recorder_.clear(stream_);
    step_.launch();
  }
  [[nodiscard]] StepTrace::Stamps take() { return recorder_.take(stream_); }

 private:
  StepBench& bench_;
  cudaStream_t stream_;
  InstrumentedStep step_;
  instrument::Recorder recorder_;
};

void bring_here(StepTrace::Stamps& stamps, const ClockReading& before, const ClockReading& after) {
  for (instrument::CtaStamps& stamp : stamps) {
    for (uint64_t* time : {&stamp.start, &stamp.trigger, &stamp.wait_return, &stamp.end}) {
      if (*time != 0) *time = to_here(*time, before, after);
    }
  }
}

class TeamTracer {
 public:
  TeamTracer(std::span<const TracedRank> ranks, bool pdl) : ranks_(ranks), tracers_(ranks.size()) {
    for (size_t i = 0; i < ranks.size(); ++i) {
      on(i, [&] { tracers_[i] = std::make_unique<RankTracer>(ranks[i], pdl); });
      trace_.ctas.push_back(tracers_[i]->ctas());
      if (i > 0) clocks_.push_back(std::make_unique<ClockPair>(ranks[i].device));
    }
  }
  TeamTracer(const TeamTracer&) = delete;
  TeamTracer& operator=(const TeamTracer&) = delete;
  ~TeamTracer() {
    for (size_t i = 0; i < tracers_.size(); ++i) {
      on(i, [&] { tracers_[i].reset(); });
    }
  }

  [[nodiscard]] StepTrace run(int steps) {
    (void)step();
    for (int i = 0; i < steps; ++i) trace_.steps.push_back(step());
    return std::move(trace_);
  }

 private:
  void on(size_t rank, const std::function<void()>& work) const {
    if (rank == 0) {
      work();
    } else {
      on_device(ranks_[rank].device, work);
    }
  }

  std::vector<StepTrace::Stamps> step() {
    const std::vector<ClockReading> before = read_clocks();
    std::vector<StepTrace::Stamps> result = enqueue_and_take();
    const std::vector<ClockReading> after = read_clocks();
    for (size_t i = 0; i < clocks_.size(); ++i) {
      bring_here(result[i + 1], before[i], after[i]);
    }
    return result;
  }

  // A thread per rank, as in an engine: no rank's launches wait for those of another one.
  std::vector<StepTrace::Stamps> enqueue_and_take() {
    std::vector<StepTrace::Stamps> result(tracers_.size());
    std::vector<std::exception_ptr> errors(tracers_.size());
    // The emulated device runs what is enqueued when it is waited for: all ranks at once.
    std::barrier enqueued(static_cast<ptrdiff_t>(tracers_.size()));
    std::vector<std::thread> threads;
    for (size_t i = 0; i < tracers_.size(); ++i) {
      threads.emplace_back([&, i] {
        errors[i] = error_of([&] {
          check_cuda(cudaSetDevice(ranks_[i].device), "cudaSetDevice");
          tracers_[i]->enqueue();
        });
        enqueued.arrive_and_wait();
        if (!errors[i]) errors[i] = error_of([&] { result[i] = tracers_[i]->take(); });
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const std::exception_ptr& error : errors) {
      if (error) std::rethrow_exception(error);
    }
    return result;
  }

  static std::exception_ptr error_of(const std::function<void()>& work) {
    try {
      work();
    } catch (...) {
      return std::current_exception();
    }
    return nullptr;
  }

  std::vector<ClockReading> read_clocks() {
    std::vector<ClockReading> readings;
    for (const auto& clock : clocks_) {
      readings.push_back(clock->read());
      trace_.clock_error = std::max(trace_.clock_error, readings.back().error);
    }
    return readings;
  }

  std::span<const TracedRank> ranks_;
  std::vector<std::unique_ptr<RankTracer>> tracers_;
  std::vector<std::unique_ptr<ClockPair>> clocks_;  // of the other ranks
  StepTrace trace_;
};

}  // namespace

StepTrace trace_steps(std::span<const TracedRank> ranks, bool pdl, int steps) {
  return TeamTracer(ranks, pdl).run(steps);
}

}  // namespace slipstream::bench
