// https://github.com/Dao-AILab/flash-attention/pull/2498: the block-sparse path of the producer
// warp has no wait; the dense one has.
#include "chain.cuh"

constexpr int kWarp = 32;

__global__ void __launch_bounds__(2 * kWarp) attention(int* blocks, float* in, float* out) {
  __shared__ float tile[kWarp];
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  if (threadIdx.x < kWarp) {
#ifdef REPAIRED
    cudaGridDependencySynchronize();
#endif
    tile[lane] = in[blocks[0] + lane];  // finds R2 race
  } else {
    cudaGridDependencySynchronize();
  }
  asm volatile("bar.sync 1;" ::: "memory");
  if (threadIdx.x >= kWarp) out[lane] = tile[lane];
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  int* blocks = corpus::device_array(kWarp, 0);
  float* in = corpus::device_array(2 * kWarp, 1.0F);
  corpus::require(cudaMemset(in, 0, kWarp * sizeof(float)), "cudaMemset");
  float* out = corpus::device_array(kWarp, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<int>, 1, kWarp, blocks, kWarp);
  corpus::launch(stream, true, attention, 1, 2 * kWarp, blocks, in, out);
  return corpus::count_wrong(stream, out, kWarp, 1.0F);
}
