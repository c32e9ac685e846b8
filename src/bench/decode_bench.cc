#include "bench/decode_bench.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <utility>

#include "bench/step_team.h"
#include "bench/stopwatch.h"
#include "pdl/instrument/recorder.h"
#include "slipstream/error.h"

namespace slipstream::bench {
namespace {

constexpr int kMaxTracedSteps = 11;

bool same_bits(const StepOutput& a, const StepOutput& b) {
  return a.sampled == b.sampled && a.logits.size() == b.logits.size() &&
         std::memcmp(a.logits.data(), b.logits.data(), a.logits.size() * sizeof(float)) == 0;
}

void require_finite(const StepOutput& output) {
  const auto bad = std::find_if_not(output.logits.begin(), output.logits.end(),
                                    [](float logit) { return std::isfinite(logit); });
  if (bad == output.logits.end()) return;
  throw Error(
      fmt::format("not reported, because logit {} is {}", bad - output.logits.begin(), *bad));
}

void require_same(const StepOutput& expected, const StepOutput& output, const char* where) {
  if (same_bits(expected, output)) return;
  throw Error(
      fmt::format("not reported, because {} gives other logits than a step without PDL", where));
}

// Measures each shape with the kernels as they ship, then launch by launch with instrumented ones.
class DecodeBench {
 public:
  explicit DecodeBench(const DecodeBenchOptions& options) : options_(options) {}

  DecodeReport run() {
    report_.bandwidth = timer_.copy_bandwidth(options_.bandwidth_bytes);
    time_steps();
    if (!options_.steps_only) trace_steps();
    return std::move(report_);
  }

 private:
  void time_steps() {
    const Stopwatch stopwatch;
    bench_ = options_.model.others == Others::kNone
                 ? make_step_bench(options_.model, timer_.stream())
                 : make_step_team(options_.model, timer_.stream());
    options_.on_progress(
        fmt::format("{}: {:.2f} GB of weights made in {:.2f} s\n", options_.model.name_or_file,
                    static_cast<double>(bench_->weight_bytes()) * 1e-9, stopwatch.seconds()));
    report_.model = options_.model;
    report_.layers = bench_->layers();
    report_.weight_bytes = bench_->weight_bytes();
    for (const int context : options_.contexts) {
      for (const int batch : options_.batches) {
        report_.steps.push_back(time_step(*bench_, {batch, context, options_.fp8_rows}));
      }
    }
  }

  StepResult time_step(StepBench& bench, const StepShape& shape) {
    StepResult result;
    result.shape = shape;
    try {
      bench.set_shape(shape);
    } catch (const InvalidArgument& error) {
      // One shape of several: the others are measured all the same.
      if (options_.batches.size() * options_.contexts.size() == 1) throw;
      result.left_out = error.what();
      outputs_.emplace_back();
      return result;
    }
    result.launches = bench.launches();
    result.pdl_off = time_step(bench, false);
    StepOutput without_pdl = bench.output();
    require_finite(without_pdl);
    result.pdl_on = time_step(bench, true);
    require_same(without_pdl, bench.output(), "a step with PDL");
    outputs_.push_back(std::move(without_pdl));
    return result;
  }

  Timing time_step(StepBench& bench, bool pdl) {
    return timer_.measure_second(
        [&](cudaStream_t stream) { bench.enqueue({.stream = stream, .pdl = pdl}); },
        [&] { bench.reset(1); }, options_.replays);
  }

  void trace_steps() {
    for (size_t i = 0; i < report_.steps.size(); ++i) {
      StepResult& step = report_.steps[i];
      if (!step.left_out.empty()) continue;
      bench_->set_shape(step.shape);
      step.traced_off = trace_step(*bench_, step, false);
      require_same(outputs_[i], bench_->output(), "a traced step");
      step.traced_on = trace_step(*bench_, step, true);
      require_same(outputs_[i], bench_->output(), "a traced step with PDL");
    }
  }

  std::vector<LaunchTimes> trace_step(StepBench& bench, const StepResult& step, bool pdl) {
    uint32_t ctas = 0;
    for (const MeasuredLaunch& launch : step.launches) ctas += launch.ctas;
    // Where few CTAs run, some SMs may get most of them.
    instrument::Recorder recorder(ctas / 16 + 256);
    const CapturedGraph graph(timer_.stream(), [&](cudaStream_t stream) {
      bench.enqueue({.stream = stream, .pdl = pdl}, true);
    });
    std::vector<std::vector<LaunchTimes>> steps;
    const int count = std::min(options_.replays, kMaxTracedSteps);
    for (int i = -1; i < count; ++i) {
      bench.reset(1);
      graph.launch();
      recorder.clear(timer_.stream());
      graph.launch();
      std::vector<instrument::CtaStamps> stamps = recorder.take(timer_.stream());
      if (i >= 0) steps.push_back(launch_times(std::move(stamps), step.launches));
    }
    return median_times(steps);
  }

  const DecodeBenchOptions& options_;
  GraphTimer timer_;
  std::unique_ptr<StepBench> bench_;
  DecodeReport report_;
  std::vector<StepOutput> outputs_;  // of each shape, without PDL
};

}  // namespace

DecodeReport measure_decode(const DecodeBenchOptions& options) {
  return DecodeBench(options).run();
}

}  // namespace slipstream::bench
