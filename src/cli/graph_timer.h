// Times work inside a replayed CUDA graph.
#pragma once

#include <cuda_runtime_api.h>

#include <functional>
#include <vector>

namespace slipstream::cli {

// Median and spread of repeated measurements, in microseconds.
struct Timing {
  double median = 0;
  double low = 0;   // 10th percentile
  double high = 0;  // 90th percentile
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

  // Device-to-device copy of a gigabyte: bytes read plus bytes written per second.
  double copy_bandwidth();

 private:
  cudaStream_t stream_ = nullptr;
  cudaEvent_t start_ = nullptr;
  cudaEvent_t stop_ = nullptr;
};

}  // namespace slipstream::cli
