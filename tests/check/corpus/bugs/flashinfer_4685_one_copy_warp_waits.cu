// https://github.com/flashinfer-ai/flashinfer/issues/4685: several warps copy to shared memory, and
// only the one for B waits.
#include "chain.cuh"

constexpr int kWarp = 32;

__device__ void copy_async(float* shared, const float* global) {
  const unsigned to = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4;" ::"r"(to), "l"(global)  // finds R2 race
               : "memory");
}

__global__ void __launch_bounds__(2 * kWarp) multiply(float* a, float* b, float* out) {
  __shared__ float tile[2 * kWarp];
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  if (threadIdx.x >= kWarp) {
    cudaGridDependencySynchronize();
    copy_async(tile + kWarp + lane, b + lane);
  } else {
#ifdef REPAIRED
    cudaGridDependencySynchronize();
#endif
    copy_async(tile + lane, a + lane);
  }
  asm volatile("cp.async.wait_all;" ::: "memory");
  __syncthreads();
  if (threadIdx.x < kWarp) out[lane] = tile[lane] * tile[kWarp + lane];
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* a = corpus::device_array(kWarp, 0.0F);
  float* b = corpus::device_array(kWarp, 2.0F);
  float* out = corpus::device_array(kWarp, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, kWarp, a, 1.0F);
  corpus::launch(stream, true, multiply, 1, 2 * kWarp, a, b, out);
  return corpus::count_wrong(stream, out, kWarp, 2.0F);
}
