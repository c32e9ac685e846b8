#include "cli/graph_timer.h"

#include <algorithm>

#include "pdl/device_buffer.h"
#include "slipstream/error.h"

namespace slipstream::cli {
namespace {

constexpr int kWarmUpReplays = 3;

Timing summarize(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  const auto at = [&](double share) {
    return samples[static_cast<std::size_t>(share * static_cast<double>(samples.size() - 1))];
  };
  return {.median = at(0.5), .low = at(0.1), .high = at(0.9)};
}

}  // namespace

GraphTimer::GraphTimer() {
  check_cuda(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate");
  check_cuda(cudaEventCreate(&start_), "cudaEventCreate");
  check_cuda(cudaEventCreate(&stop_), "cudaEventCreate");
}

GraphTimer::~GraphTimer() {
  (void)cudaEventDestroy(start_);
  (void)cudaEventDestroy(stop_);
  (void)cudaStreamDestroy(stream_);
}

Timing GraphTimer::measure(const std::function<void(cudaStream_t)>& enqueue, double launches,
                           int replays) {
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  check_cuda(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "begin capture");
  enqueue(stream_);
  check_cuda(cudaStreamEndCapture(stream_, &graph), "end capture");
  check_cuda(cudaGraphInstantiate(&executable, graph, 0), "cudaGraphInstantiate");
  for (int i = 0; i < kWarmUpReplays; ++i)
    check_cuda(cudaGraphLaunch(executable, stream_), "warm-up replay");
  std::vector<double> samples;
  for (int i = 0; i < replays; ++i) {
    check_cuda(cudaEventRecord(start_, stream_), "cudaEventRecord");
    check_cuda(cudaGraphLaunch(executable, stream_), "replay");
    check_cuda(cudaEventRecord(stop_, stream_), "cudaEventRecord");
    check_cuda(cudaEventSynchronize(stop_), "replay");
    float milliseconds = 0;
    check_cuda(cudaEventElapsedTime(&milliseconds, start_, stop_), "cudaEventElapsedTime");
    samples.push_back(milliseconds * 1000.0 / launches);
  }
  check_cuda(cudaGraphExecDestroy(executable), "cudaGraphExecDestroy");
  check_cuda(cudaGraphDestroy(graph), "cudaGraphDestroy");
  return summarize(std::move(samples));
}

double GraphTimer::copy_bandwidth() {
  constexpr std::size_t kBytes = std::size_t{1} << 30;
  constexpr int kCopies = 8;
  constexpr int kRepetitions = 3;
  const DeviceBuffer source(kBytes);
  const DeviceBuffer target(kBytes);
  check_cuda(cudaMemset(source.data(), 1, kBytes), "cudaMemset");
  // Not in a graph: there the copy engines do it, at two thirds of the speed.
  double best = 0;
  for (int repetition = 0; repetition < kRepetitions; ++repetition) {
    check_cuda(cudaEventRecord(start_, stream_), "cudaEventRecord");
    for (int i = 0; i < kCopies; ++i) {
      check_cuda(
          cudaMemcpyAsync(target.data(), source.data(), kBytes, cudaMemcpyDeviceToDevice, stream_),
          "copy");
    }
    check_cuda(cudaEventRecord(stop_, stream_), "cudaEventRecord");
    check_cuda(cudaEventSynchronize(stop_), "copy");
    float milliseconds = 0;
    check_cuda(cudaEventElapsedTime(&milliseconds, start_, stop_), "cudaEventElapsedTime");
    best = std::max(best, 2.0 * kCopies * static_cast<double>(kBytes) / (milliseconds * 1e-3));
  }
  return best;
}

}  // namespace slipstream::cli
