// FlashAttention-3's consumers, which wait for a tile that the loading warp fills once it has waited,
// and write zeros where there is nothing to load: that branch goes around the barrier. Whether the
// first tile may be such a one, no binary says.
#include "chain.cuh"

constexpr int kWarp = 32;
constexpr int kTiles = 2;

__device__ void arrive(unsigned barrier) {
  asm volatile("mbarrier.arrive.shared.b64 _, [%0];" ::"r"(barrier) : "memory");
}

__global__ void __launch_bounds__(2 * kWarp) multiply(float* in, float* out, int empty_tiles) {
  __shared__ float tile[kTiles][kWarp];
  __shared__ unsigned long long full;
  const unsigned barrier = static_cast<unsigned>(__cvta_generic_to_shared(&full));
  if (threadIdx.x == 0) {
    asm volatile("mbarrier.init.shared.b64 [%0], %1;" ::"r"(barrier), "r"(kWarp) : "memory");
  }
  __syncthreads();
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  if (threadIdx.x < kWarp) {
    cudaGridDependencySynchronize();
#pragma unroll 1
    for (int t = empty_tiles; t < kTiles; ++t) {
      tile[t][lane] = in[lane];
      arrive(barrier);
    }
    return;
  }
#ifdef REPAIRED
  cudaGridDependencySynchronize();
#endif
  unsigned parity = 0;
#pragma unroll 1
  for (int t = 0; t < kTiles; ++t) {
    if (t < empty_tiles) {
      out[t * kWarp + lane] = 0.0F;  // finds R2 (a warning) race
    } else {
      corpus::wait_for_phase(barrier, parity);
      parity ^= 1;
      out[t * kWarp + lane] = 2.0F * tile[t][lane];
    }
  }
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* in = corpus::device_array(kWarp, 0.0F);
  float* out = corpus::device_array(kTiles * kWarp, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, kWarp, out, 5.0F);
  corpus::launch(stream, true, multiply, 1, 2 * kWarp, in, out, 1);
  return corpus::count_wrong(stream, out, kTiles * kWarp, 0.0F);
}
