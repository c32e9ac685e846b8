// https://github.com/triton-lang/triton/issues/11905: software pipelining moved the first load of a
// loop above the wait that stood at the loop's top.
#include "chain.cuh"

constexpr int kThreads = 32;

__global__ void sum_rows(float* in, float* out, int rows) {
  const int i = static_cast<int>(threadIdx.x);
  float total = 0.0F;
#ifdef REPAIRED
  cudaGridDependencySynchronize();
#endif
  float next = in[i];  // finds R1 race
#ifndef REPAIRED
  cudaGridDependencySynchronize();
#endif
  for (int row = 0; row < rows; ++row) {
    total += next;
    if (row + 1 < rows) next = in[(row + 1) * kThreads + i];
  }
  out[i] = total;
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* in = corpus::device_array(2 * kThreads, 0.0F);
  float* out = corpus::device_array(kThreads, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 2, kThreads, in, 1.0F);
  corpus::launch(stream, true, sum_rows, 1, kThreads, in, out, 2);
  return corpus::count_wrong(stream, out, kThreads, 2.0F);
}
