// https://github.com/NVIDIA/cutlass/issues/3279: of two loading warps the one for the operands
// waits, the one for the scale factors does not. The consumers are ordered by full barriers, which
// does not help what was loaded too early.
#include "chain.cuh"

constexpr int kWarp = 32;
constexpr int kThreads = 3 * kWarp;

__device__ void arrive(unsigned barrier) {
  asm volatile("mbarrier.arrive.shared.b64 _, [%0];" ::"r"(barrier) : "memory");
}

__global__ void __launch_bounds__(kThreads) multiply(float* a, float* scales, float* out) {
  __shared__ float tile[kWarp];
  __shared__ float factors[kWarp];
  __shared__ unsigned long long full;
  const unsigned barrier = static_cast<unsigned>(__cvta_generic_to_shared(&full));
  if (threadIdx.x == 0) {
    asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(barrier), "r"(2 * kWarp) : "memory");
  }
  __syncthreads();
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  if (warp == 0) {
    cudaGridDependencySynchronize();
    tile[lane] = a[lane];
    arrive(barrier);
  } else if (warp == 1) {
#ifdef REPAIRED
    cudaGridDependencySynchronize();
#endif
    factors[lane] = scales[lane];  // finds R2 race
    arrive(barrier);
  } else {
    corpus::wait_for_phase(barrier, 0);
    out[lane] = tile[lane] * factors[lane];
  }
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* a = corpus::device_array(kWarp, 1.0F);
  float* scales = corpus::device_array(kWarp, 0.0F);
  float* out = corpus::device_array(kWarp, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, kWarp, scales, 2.0F);
  corpus::launch(stream, true, multiply, 1, kThreads, a, scales, out);
  return corpus::count_wrong(stream, out, kWarp, 2.0F);
}
