// https://github.com/NVIDIA/TensorRT-LLM/pull/8786: a mixture-of-experts GEMM used strides that the
// kernel before it had not finished computing.
#include "chain.cuh"

constexpr int kThreads = 64;

__global__ void multiply(long long* strides, float* in, float* out) {
#ifdef REPAIRED
  cudaGridDependencySynchronize();
#endif
  const long long stride = strides[blockIdx.x];  // finds R1 race
#ifndef REPAIRED
  cudaGridDependencySynchronize();
#endif
  out[threadIdx.x] = in[stride * static_cast<long long>(threadIdx.x)];
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  long long* strides = corpus::device_array(kThreads, 0LL);
  float* in = corpus::device_array(kThreads, 1.0F);
  float* out = corpus::device_array(kThreads, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<long long>, 1, kThreads, strides, 1LL);
  corpus::launch(stream, true, multiply, 1, kThreads, strides, in, out);
  return corpus::count_wrong(stream, out, kThreads, 1.0F);
}
