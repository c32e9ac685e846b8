// https://github.com/Dao-AILab/quack/issues/206: the loading warp waits; the warps that compute
// read the cumulative sequence lengths without being ordered after it.
#include "chain.cuh"

constexpr int kWarp = 32;

__global__ void __launch_bounds__(2 * kWarp) grouped(int* cu_seqlens, float* in, float* out) {
  __shared__ float tile[kWarp];
  const bool loads = threadIdx.x < kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
#ifdef REPAIRED
  cudaGridDependencySynchronize();
#else
  if (loads) cudaGridDependencySynchronize();
#endif
  int length = 0;
  if (loads) {
    tile[lane] = in[lane];
  } else {
    length = cu_seqlens[blockIdx.x];  // finds R2 race
  }
  __syncthreads();
  if (!loads && lane < length) out[lane] = tile[lane];
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  int* cu_seqlens = corpus::device_array(kWarp, 0);
  float* in = corpus::device_array(kWarp, 1.0F);
  float* out = corpus::device_array(kWarp, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<int>, 1, kWarp, cu_seqlens, kWarp);
  corpus::launch(stream, true, grouped, 1, 2 * kWarp, cu_seqlens, in, out);
  return corpus::count_wrong(stream, out, kWarp, 1.0F);
}
