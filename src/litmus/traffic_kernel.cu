// Keeps the memory system busy while a chain runs, so that the chain's stores take longer to
// arrive.
#include "litmus/device.cuh"
#include "litmus/traffic.h"

namespace slipstream::litmus {
namespace {

__global__ void __launch_bounds__(kThreadsPerBlock)
    litmus_traffic_kernel(unsigned* memory, unsigned words, unsigned nanoseconds) {
  const unsigned long long begin = now();
  unsigned index = blockIdx.x * blockDim.x + threadIdx.x;
  while (now() - begin < nanoseconds) {
    for (int i = 0; i < 16; ++i) {
      index = (index + 7919 * kThreadsPerBlock) % words;
      memory[index] += 1;
    }
  }
}

}  // namespace

const void* traffic_kernel() { return reinterpret_cast<const void*>(litmus_traffic_kernel); }

}  // namespace slipstream::litmus
