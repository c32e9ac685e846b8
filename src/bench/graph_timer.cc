#include "bench/graph_timer.h"

#include <algorithm>
#include <utility>

#include "pdl/device_buffer.h"
#include "slipstream/error.h"

namespace slipstream::bench {
namespace {

constexpr int kWarmUpReplays = 3;

}  // namespace

Timing summarize(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  const auto at = [&](double share) {
    return samples[static_cast<size_t>(share * static_cast<double>(samples.size() - 1))];
  };
  return {.median = at(0.5), .low = at(0.1), .high = at(0.9)};
}

io::Json to_json(const Timing& timing) {
  return {{"median_us", timing.median}, {"p10_us", timing.low}, {"p90_us", timing.high}};
}

CapturedGraph::CapturedGraph(cudaStream_t stream, const std::function<void(cudaStream_t)>& enqueue)
    : stream_(stream) {
  cudaGraph_t graph = nullptr;
  check_cuda(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "begin capture");
  enqueue(stream);
  check_cuda(cudaStreamEndCapture(stream, &graph), "end capture");
  const cudaError_t code = cudaGraphInstantiate(&executable_, graph, 0);
  (void)cudaGraphDestroy(graph);
  check_cuda(code, "cudaGraphInstantiate");
}

CapturedGraph::~CapturedGraph() { (void)cudaGraphExecDestroy(executable_); }

void CapturedGraph::launch() const {
  check_cuda(cudaGraphLaunch(executable_, stream_), "cudaGraphLaunch");
}

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
  const CapturedGraph graph(stream_, enqueue);
  for (int i = 0; i < kWarmUpReplays; ++i) graph.launch();
  std::vector<double> samples;
  samples.reserve(replays);
  for (int i = 0; i < replays; ++i) samples.push_back(time(graph) / launches);
  return summarize(std::move(samples));
}

Timing GraphTimer::measure_second(const std::function<void(cudaStream_t)>& enqueue,
                                  const std::function<void()>& prepare, int replays) {
  const CapturedGraph graph(stream_, enqueue);
  std::vector<double> samples;
  for (int i = -std::min(kWarmUpReplays, replays); i < replays; ++i) {
    prepare();
    graph.launch();
    const double microseconds = time(graph);
    if (i >= 0) samples.push_back(microseconds);
  }
  return summarize(std::move(samples));
}

double GraphTimer::time(const CapturedGraph& graph) {
  check_cuda(cudaEventRecord(start_, stream_), "cudaEventRecord");
  graph.launch();
  check_cuda(cudaEventRecord(stop_, stream_), "cudaEventRecord");
  check_cuda(cudaEventSynchronize(stop_), "replay");
  float milliseconds = 0;
  check_cuda(cudaEventElapsedTime(&milliseconds, start_, stop_), "cudaEventElapsedTime");
  return milliseconds * 1000.0;
}

double GraphTimer::copy_bandwidth(size_t bytes) {
  constexpr int kCopies = 8;
  constexpr int kRepetitions = 3;
  const DeviceBuffer source(bytes);
  const DeviceBuffer target(bytes);
  check_cuda(cudaMemset(source.data(), 1, bytes), "cudaMemset");
  // Not in a graph: there the copy engines do it, at two thirds of the speed.
  double best = 0;
  for (int repetition = 0; repetition < kRepetitions; ++repetition) {
    check_cuda(cudaEventRecord(start_, stream_), "cudaEventRecord");
    for (int i = 0; i < kCopies; ++i) {
      check_cuda(
          cudaMemcpyAsync(target.data(), source.data(), bytes, cudaMemcpyDeviceToDevice, stream_),
          "copy");
    }
    check_cuda(cudaEventRecord(stop_, stream_), "cudaEventRecord");
    check_cuda(cudaEventSynchronize(stop_), "copy");
    float milliseconds = 0;
    check_cuda(cudaEventElapsedTime(&milliseconds, start_, stop_), "cudaEventElapsedTime");
    best = std::max(best, 2.0 * kCopies * static_cast<double>(bytes) / (milliseconds * 1e-3));
  }
  return best;
}

}  // namespace slipstream::bench
