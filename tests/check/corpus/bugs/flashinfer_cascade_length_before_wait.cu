// https://github.com/flashinfer-ai/flashinfer, include/flashinfer/attention/cascade.cuh 381: the
// persistent kernel that merges attention states reads above the wait how many there are.
#include "chain.cuh"

constexpr int kThreads = 32;

__global__ void copy_rows(const float* rows, float* merged, unsigned* length, unsigned most) {
#ifdef REPAIRED
  cudaGridDependencySynchronize();
#endif
  const unsigned count = length != nullptr ? *length : most;  // finds R1 race
#ifndef REPAIRED
  cudaGridDependencySynchronize();
#endif
  for (unsigned row = blockIdx.x; row < count; row += gridDim.x) {
    merged[row * kThreads + threadIdx.x] = rows[row * kThreads + threadIdx.x];
  }
}

int main() {
  constexpr unsigned kRows = 16;
  cudaStream_t stream = corpus::new_stream();
  float* rows = corpus::device_array(kRows * kThreads, 1.0F);
  float* merged = corpus::device_array(kRows * kThreads, 0.0F);
  auto* length = corpus::device_array(1, 2U);
  corpus::launch(stream, true, corpus::slow_producer<unsigned>, 1, 1, length, kRows);
  corpus::launch(stream, true, copy_rows, 4, kThreads, rows, merged, length, kRows);
  return corpus::count_wrong(stream, merged, kRows * kThreads, 1.0F);
}
