// https://github.com/sgl-project/sglang/pull/25575: most CTAs of a cluster return without a wait.
// The grid completes only after the one that waited, so the order holds.
#include "chain.cuh"

constexpr int kThreads = 64;

__global__ void combine(const float* in, float* out) {
  if (blockIdx.x % 8 != 0) return;
  cudaGridDependencySynchronize();
  out[threadIdx.x] = in[threadIdx.x];
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* in = corpus::device_array(kThreads, 0.0F);
  float* out = corpus::device_array(kThreads, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, kThreads, in, 1.0F);
  corpus::launch(stream, true, combine, 8, kThreads, in, out);
  return corpus::count_wrong(stream, out, kThreads, 1.0F);
}
