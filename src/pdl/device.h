// Which device the CUDA calls of a thread are about.
#pragma once

#include <cuda_runtime_api.h>

#include "slipstream/error.h"

namespace slipstream::pdl {

[[nodiscard]] inline int current_device() {
  int device = 0;
  check_cuda(cudaGetDevice(&device), "cudaGetDevice");
  return device;
}

[[nodiscard]] inline int device_count() {
  int count = 0;
  check_cuda(cudaGetDeviceCount(&count), "cudaGetDeviceCount");
  return count;
}

// Makes a device current, and the one before it afterwards.
class CurrentDevice {
 public:
  explicit CurrentDevice(int device) : before_(current_device()) {
    if (before_ != device) check_cuda(cudaSetDevice(device), "cudaSetDevice");
  }
  ~CurrentDevice() { (void)cudaSetDevice(before_); }
  CurrentDevice(const CurrentDevice&) = delete;
  CurrentDevice& operator=(const CurrentDevice&) = delete;

 private:
  int before_;
};

}  // namespace slipstream::pdl
