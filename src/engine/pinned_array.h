// Pinned memory of the host, which copies to and from the device need if nobody waits for them.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>

#include "slipstream/error.h"

namespace slipstream::engine {

template <class T>
class PinnedArray {
 public:
  explicit PinnedArray(size_t size) {
    check_cuda(cudaMallocHost(reinterpret_cast<void**>(&data_), size * sizeof(T)),
               "cudaMallocHost");
  }
  ~PinnedArray() { (void)cudaFreeHost(data_); }
  PinnedArray(const PinnedArray&) = delete;
  PinnedArray& operator=(const PinnedArray&) = delete;

  [[nodiscard]] T* data() const { return data_; }

 private:
  T* data_ = nullptr;
};

}  // namespace slipstream::engine
