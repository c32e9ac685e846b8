#include "tests/engine/support/spinning.h"

namespace slipstream::engine::test {
namespace {

__global__ void spin_until_set(const volatile int* flag) {
  while (*flag == 0) {
  }
}

}  // namespace

SpinningKernel::SpinningKernel() : flag_(1) { *flag_.data() = 0; }

void SpinningKernel::launch(cudaStream_t stream) const {
  spin_until_set<<<1, 1, 0, stream>>>(flag_.data());
  check_cuda(cudaGetLastError(), "launch of a kernel that spins");
}

void SpinningKernel::end() { *static_cast<volatile int*>(flag_.data()) = 1; }

}  // namespace slipstream::engine::test
