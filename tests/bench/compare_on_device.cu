#include "bench/compare_on_device.h"
#include "slipstream/launch.h"

namespace slipstream::bench {
namespace {

struct CompareParams {
  const uint8_t* a;
  const uint8_t* b;
  size_t bytes;
  unsigned long long* counter;
};

__global__ void compare_kernel(const __grid_constant__ CompareParams params) {
  const size_t step = static_cast<size_t>(gridDim.x) * blockDim.x;
  for (size_t i = static_cast<size_t>(blockIdx.x) * blockDim.x + threadIdx.x; i < params.bytes;
       i += step) {
    if (params.a[i] != params.b[i]) atomicAdd(params.counter, 1ULL);
  }
}

constexpr pdl::KernelDeclaration kDeclaration{
    .name = "compare", .symbol = "compare_kernel", .waits = false, .fields = {}};

}  // namespace

void count_differences(const void* a, const void* b, size_t bytes, void* counter,
                       cudaStream_t stream) {
  pdl::launch(kDeclaration, compare_kernel, {.grid = dim3(32), .block = dim3(256)},
              {.stream = stream},
              CompareParams{static_cast<const uint8_t*>(a), static_cast<const uint8_t*>(b), bytes,
                            static_cast<unsigned long long*>(counter)});
}

}  // namespace slipstream::bench
