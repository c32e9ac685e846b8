// A reader that is ordered by an mbarrier, but by another one than that at which the thread arrives
// that has waited: the loading warp waits and fills a tile, the third warp waits for a warp that has
// only cleared shared memory.
#include "chain.cuh"

constexpr int kWarp = 32;

__device__ void arrive(unsigned barrier) {
  asm volatile("mbarrier.arrive.shared.b64 _, [%0];" ::"r"(barrier) : "memory");
}

__global__ void __launch_bounds__(3 * kWarp) multiply(float* in, float* scales, float* out) {
  __shared__ float tile[kWarp];
  __shared__ float sums[kWarp];
  __shared__ unsigned long long barriers[2];
  const unsigned full = static_cast<unsigned>(__cvta_generic_to_shared(&barriers[0]));
  const unsigned cleared = static_cast<unsigned>(__cvta_generic_to_shared(&barriers[1]));
  if (threadIdx.x == 0) {
    asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(full), "r"(kWarp) : "memory");
    asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(cleared), "r"(kWarp) : "memory");
  }
  __syncthreads();
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  if (warp == 0) {
    cudaGridDependencySynchronize();
    tile[lane] = in[lane];
    arrive(full);
  } else if (warp == 1) {
    sums[lane] = 0.0F;
    arrive(cleared);
  } else {
    corpus::wait_for_phase(cleared, 0);
#ifdef REPAIRED
    corpus::wait_for_phase(full, 0);
#endif
    const float scale = scales[lane];  // finds R2, race
#ifndef REPAIRED
    corpus::wait_for_phase(full, 0);
#endif
    out[lane] = sums[lane] + scale * tile[lane];
  }
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* in = corpus::device_array(kWarp, 1.0F);
  float* scales = corpus::device_array(kWarp, 0.0F);
  float* out = corpus::device_array(kWarp, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, kWarp, scales, 2.0F);
  corpus::launch(stream, true, multiply, 1, 3 * kWarp, in, scales, out);
  return corpus::count_wrong(stream, out, kWarp, 2.0F);
}
