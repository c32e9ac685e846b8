// Collects the stamps of instrumented kernels.
#pragma once

#include <cuda_runtime_api.h>

#include <vector>

#include "pdl/device_buffer.h"
#include "pdl/instrument/stamps.h"

namespace slipstream::instrument {

// While it lives, instrumented kernels record.
class Recorder {
 public:
  // Room for `capacity` CTAs on each SM.
  explicit Recorder(uint32_t capacity);
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  // Forgets what was recorded, in the order of the stream.
  void clear(cudaStream_t stream);
  // The CTAs since the last clear(), in no order. Throws Error where there were more than fit.
  [[nodiscard]] std::vector<CtaStamps> take(cudaStream_t stream);

 private:
  uint32_t capacity_;
  DeviceBuffer stamps_;
  DeviceBuffer counts_;
};

}  // namespace slipstream::instrument
