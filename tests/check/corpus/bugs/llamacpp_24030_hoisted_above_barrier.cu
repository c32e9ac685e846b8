// https://github.com/ggml-org/llama.cpp/pull/24030: one warp waits and a barrier orders the others,
// but on sm_120 the compiler moves the read above the barrier.
// nvcc: -gencode arch=compute_120a,code=[sm_120a,compute_120a]
// nvcc-repaired: -gencode arch=compute_120a,code=[sm_120a,compute_120a]
#include "chain.cuh"

constexpr int kThreads = 128;

#ifdef REPAIRED
__global__ void scale(const float* in, float* out) {
#else
__global__ void scale(const float* __restrict__ in, float* __restrict__ out) {
#endif
  const int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (threadIdx.x < 32) cudaGridDependencySynchronize();
  __syncthreads();
  out[i] = in[i] * 2.0F;  // finds R4 R5
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* in = corpus::device_array(kThreads, 0.0F);
  float* out = corpus::device_array(kThreads, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, kThreads, in, 3.0F);
  corpus::launch(stream, true, scale, 1, kThreads, in, out);
  return corpus::count_wrong(stream, out, kThreads, 6.0F);
}
