// Times work inside a replayed CUDA graph.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <functional>
#include <vector>

#include "io/json_writer.h"

namespace slipstream::bench {

// Median and spread of repeated measurements, in microseconds.
struct Timing {
  double median = 0;
  double low = 0;   // 10th percentile
  double high = 0;  // 90th percentile
};

[[nodiscard]] Timing summarize(std::vector<double> samples);
[[nodiscard]] io::Json to_json(const Timing& timing);

// What a function put on a stream.
class CapturedGraph {
 public:
  CapturedGraph(cudaStream_t stream, const std::function<void(cudaStream_t)>& enqueue);
  ~CapturedGraph();
  CapturedGraph(const CapturedGraph&) = delete;
  CapturedGraph& operator=(const CapturedGraph&) = delete;

  void launch() const;

 private:
  cudaStream_t stream_;
  cudaGraphExec_t executable_ = nullptr;
};

class GraphTimer {
 public:
  GraphTimer();
  ~GraphTimer();
  GraphTimer(const GraphTimer&) = delete;
  GraphTimer& operator=(const GraphTimer&) = delete;

  [[nodiscard]] cudaStream_t stream() const { return stream_; }

  // Captures what `enqueue` puts on the stream, replays it, and returns the time of one replay
  // divided by `launches`.
  Timing measure(const std::function<void(cudaStream_t)>& enqueue, double launches,
                 int replays = 30);

  // The same of a replay right after another one, as steps follow each other; `prepare` goes
  // before both.
  Timing measure_second(const std::function<void(cudaStream_t)>& enqueue,
                        const std::function<void()>& prepare, int replays);

  // Device-to-device copy of `bytes` bytes: bytes read plus bytes written per second.
  double copy_bandwidth(size_t bytes = size_t{1} << 30);

 private:
  // Of one launch, in microseconds.
  double time(const CapturedGraph& graph);

  cudaStream_t stream_ = nullptr;
  cudaEvent_t start_ = nullptr;
  cudaEvent_t stop_ = nullptr;
};

}  // namespace slipstream::bench
