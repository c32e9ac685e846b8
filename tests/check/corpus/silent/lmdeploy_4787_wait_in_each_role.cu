// https://github.com/InternLM/lmdeploy/pull/4787: each warp role waits for itself, just before what
// it needs.
#include "chain.cuh"

constexpr int kWarp = 32;

__global__ void __launch_bounds__(2 * kWarp) recurrent(float* state, float* matrix, float* out) {
  __shared__ float tile[2 * kWarp];
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  if (threadIdx.x < kWarp) {
    cudaGridDependencySynchronize();
    tile[lane] = state[lane];
  } else {
    cudaGridDependencySynchronize();
    tile[kWarp + lane] = matrix[lane];
  }
  __syncthreads();
  if (threadIdx.x < kWarp) out[lane] = tile[lane] * tile[kWarp + lane];
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* state = corpus::device_array(kWarp, 0.0F);
  float* matrix = corpus::device_array(kWarp, 2.0F);
  float* out = corpus::device_array(kWarp, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, kWarp, state, 1.0F);
  corpus::launch(stream, true, recurrent, 1, 2 * kWarp, state, matrix, out);
  return corpus::count_wrong(stream, out, kWarp, 2.0F);
}
