// https://github.com/gwoltman/gpuowl/pull/33: a kernel in the middle of a chain that may end
// without a wait breaks the chain: the next kernel's wait need not cover the kernel before. There
// it was prevented: the host looks for the wait in the PTX of a kernel before it sets the
// attribute.
#include "chain.cuh"

constexpr int kThreads = 64;

__global__ void middle(float* data, int count) {
#ifdef REPAIRED
  cudaGridDependencySynchronize();
#endif
  if (count == 0) return;  // finds R3
#ifndef REPAIRED
  cudaGridDependencySynchronize();
#endif
  data[corpus::thread_index()] *= 2.0F;
}

__global__ void consume(const float* in, float* out) {
  cudaGridDependencySynchronize();
  out[corpus::thread_index()] = in[corpus::thread_index()];  // finds race
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* data = corpus::device_array(kThreads, 0.0F);
  float* out = corpus::device_array(kThreads, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, kThreads, data, 1.0F);
  corpus::launch(stream, true, middle, 1, kThreads, data, 0);
  corpus::launch(stream, true, consume, 1, kThreads, data, out);
  return corpus::count_wrong(stream, out, kThreads, 1.0F);
}
