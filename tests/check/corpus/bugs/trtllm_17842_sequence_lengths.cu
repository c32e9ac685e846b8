// https://github.com/NVIDIA/TensorRT-LLM/pull/17842: a sequence length that bounds a store is read
// above the wait.
#include "chain.cuh"

constexpr int kThreads = 64;

__global__ void decode(int* seq_lens, float* out) {
#ifdef REPAIRED
  cudaGridDependencySynchronize();
#endif
  const int length = seq_lens[blockIdx.x];  // finds R1 race
#ifndef REPAIRED
  cudaGridDependencySynchronize();
#endif
  if (static_cast<int>(threadIdx.x) < length) out[threadIdx.x] = 1.0F;
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  int* seq_lens = corpus::device_array(kThreads, 0);
  float* out = corpus::device_array(kThreads, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<int>, 1, kThreads, seq_lens, kThreads);
  corpus::launch(stream, true, decode, 1, kThreads, seq_lens, out);
  return corpus::count_wrong(stream, out, kThreads, 1.0F);
}
