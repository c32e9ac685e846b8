// Runs of decode steps by several ranks, a thread and a device each.
#pragma once

#include <fmt/format.h>

#include <barrier>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pdl/instrument/stamps.h"
#include "tests/step/support/device_step.h"
#include "tests/step/support/rank_team.h"

namespace slipstream::step::test {

// How a run is made; its results may not depend on it.
struct RunOptions {
  std::optional<bool> pdl = std::nullopt;
  bool graph = false;
  bool delays = false;
};

// False: the emulated device.
inline bool is_gpu() {
  cudaDeviceProp properties{};
  check_cuda(cudaGetDeviceProperties(&properties, 0), "cudaGetDeviceProperties");
  return std::string_view(properties.name).find("emulated") == std::string_view::npos;
}

// Memory of the host that copies to and from devices need not wait for.
template <class T>
class PinnedValues {
 public:
  explicit PinnedValues(size_t count) : count_(count) {
    check_cuda(cudaMallocHost(reinterpret_cast<void**>(&values_), count * sizeof(T)),
               "cudaMallocHost");
  }
  PinnedValues(const PinnedValues&) = delete;
  PinnedValues& operator=(const PinnedValues&) = delete;
  ~PinnedValues() { (void)cudaFreeHost(values_); }

  [[nodiscard]] T* data() const { return values_; }
  [[nodiscard]] std::vector<T> values() const { return {values_, values_ + count_}; }

 private:
  size_t count_;
  T* values_ = nullptr;
};

// A graph of one step.
class Graph {
 public:
  Graph(const DeviceStep& step, int tokens) {
    cudaGraph_t graph = nullptr;
    check_cuda(cudaStreamBeginCapture(step.stream(), cudaStreamCaptureModeThreadLocal), "capture");
    step.enqueue(tokens);
    check_cuda(cudaStreamEndCapture(step.stream(), &graph), "capture");
    check_cuda(cudaGraphInstantiate(&exec_, graph, 0), "cudaGraphInstantiate");
    check_cuda(cudaGraphDestroy(graph), "cudaGraphDestroy");
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  ~Graph() { (void)cudaGraphExecDestroy(exec_); }

  void launch(cudaStream_t stream) const { check_cuda(cudaGraphLaunch(exec_, stream), "launch"); }

 private:
  cudaGraphExec_t exec_ = nullptr;
};

// Delays in the instrumented kernels of several devices.
class DelaysOnDevices {
 public:
  explicit DelaysOnDevices(int devices) : delays_(devices) {
    on_each([](std::optional<instrument::Delays>& delays) { delays.emplace(); });
  }
  DelaysOnDevices(const DelaysOnDevices&) = delete;
  DelaysOnDevices& operator=(const DelaysOnDevices&) = delete;
  ~DelaysOnDevices() {
    on_each([](std::optional<instrument::Delays>& delays) { delays.reset(); });
  }

 private:
  template <class Change>
  void on_each(const Change& change) {
    for (size_t device = 0; device < delays_.size(); ++device) {
      (void)cudaSetDevice(static_cast<int>(device));
      change(delays_[device]);
    }
    (void)cudaSetDevice(0);
  }

  std::vector<std::optional<instrument::Delays>> delays_;
};

class RankRuns {
 public:
  using MakeExchange = std::function<std::unique_ptr<Exchange>(const RankTeam&, int rank)>;

  RankRuns(
      std::string directory, int ranks,
      MakeExchange make_exchange = [](const RankTeam& team,
                                      int rank) { return team.exchange(rank); })
      : directory_(std::move(directory)),
        team_(model::Checkpoint::open(directory_).config(), ranks),
        make_exchange_(std::move(make_exchange)) {}

  [[nodiscard]] int ranks() const { return team_.ranks(); }
  [[nodiscard]] const RankTeam& team() const { return team_; }
  [[nodiscard]] model::Checkpoint checkpoint(int rank) const {
    return model::Checkpoint::open(directory_, {ranks(), rank});
  }

  // A step of `rank`, by the thread that will run it.
  [[nodiscard]] std::unique_ptr<DeviceStep> make_step(int rank, bool delays = false,
                                                      bool drafts = false) const {
    return std::make_unique<DeviceStep>(checkpoint(rank), make_exchange_(team_, rank), false,
                                        delays ? kernels::instrumented_set() : kernels::plain_set(),
                                        drafts ? MtpLoad::kLayer : MtpLoad::kNone);
  }

  // What is wrong with the windows between steps; empty if nothing is.
  [[nodiscard]] std::string trouble() const {
    std::string result;
    for (int rank = 0; rank < ranks(); ++rank) {
      const PollRecord record = team_.record(rank);
      if (record.happened != 0) {
        result +=
            fmt::format("rank {} heard nothing from rank {} in exchange {} of step {}; ", rank,
                        silent_rank(record, team_.config(), ranks()), record.exchange, record.step);
      }
      if (!team_.rows_are_empty(rank)) result += fmt::format("rows of rank {} are left; ", rank);
    }
    return result;
  }

  // `steps` sampled steps of two sequences' tokens, none of which the host waits for; what each rank
  // chose, and its last logits' bits.
  struct Run {
    std::vector<std::vector<int>> tokens;
    std::vector<std::vector<float>> logits;
    bool operator==(const Run&) const = default;
  };
  [[nodiscard]] Run run_steps(int steps, const RunOptions& options) const {
    constexpr int kTokens = 2;
    constexpr int kPositions = kPagesPerSequence * kernels::kPageSize;
    Run run{std::vector<std::vector<int>>(ranks()), std::vector<std::vector<float>>(ranks())};
    const DelaysOnDevices delays(options.delays ? ranks() : 0);
    std::barrier loaded(ranks());
    team_.run([&](int rank) {
      const auto step = make_step(rank, options.delays);
      const PinnedValues<kernels::StepRow> first(kTokens);
      first.data()[0] = {17, 0, 0, 0.8F, 20, 0.9F, 5};
      first.data()[1] = {300, 0, 1, 1.0F, 0, 1, 6};
      const std::optional<Graph> graph =
          options.graph ? std::make_optional<Graph>(*step, kTokens) : std::nullopt;
      const PinnedValues<int> chosen(static_cast<size_t>(steps) * kTokens);
      // Nothing that would wait for a device may come between steps.
      loaded.arrive_and_wait();
      for (int i = 0; i < steps; ++i) {
        // Sequences that are full begin again.
        if (i % kPositions == 0) step->enqueue_rows(first.data(), kTokens);
        graph ? graph->launch(step->stream()) : step->enqueue(kTokens, options.pdl);
        step->copy_sampled(chosen.data() + i * kTokens, kTokens);
      }
      // The emulated device runs what is enqueued when it is waited for: all ranks at once.
      loaded.arrive_and_wait();
      step->synchronize();
      run.tokens[rank] = chosen.values();
      run.logits[rank] = step->logits(kTokens).values();
    });
    return run;
  }

 private:
  std::string directory_;
  RankTeam team_;
  MakeExchange make_exchange_;
};

}  // namespace slipstream::step::test
