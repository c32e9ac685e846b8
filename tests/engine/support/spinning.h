// A kernel that does not end before it is told to: what a device that hangs looks like.
#pragma once

#include <cuda_runtime_api.h>

#include "engine/pinned_array.h"

namespace slipstream::engine::test {

class SpinningKernel {
 public:
  SpinningKernel();
  ~SpinningKernel() { end(); }
  SpinningKernel(const SpinningKernel&) = delete;
  SpinningKernel& operator=(const SpinningKernel&) = delete;

  void launch(cudaStream_t stream) const;
  // All that were launched.
  void end();

 private:
  PinnedArray<int> flag_;
};

}  // namespace slipstream::engine::test
