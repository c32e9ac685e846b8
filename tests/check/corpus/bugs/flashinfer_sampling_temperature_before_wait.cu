// https://github.com/flashinfer-ai/flashinfer, include/flashinfer/sampling.cuh 309, 429 and 513: the
// softmax kernels wait for the logits, but read each row's temperature above the wait.
#include "chain.cuh"

constexpr int kThreads = 32;

__global__ void divide_by_temperature(float* logits, float* out, float* temperatures) {
#ifdef REPAIRED
  cudaGridDependencySynchronize();
#endif
  const float temperature = temperatures[blockIdx.x];  // finds R1 race
  const float factor = temperature == 0.0F ? 0.0F : 1.0F / temperature;
#ifndef REPAIRED
  cudaGridDependencySynchronize();
#endif
  out[corpus::thread_index()] = logits[corpus::thread_index()] * factor;
}

int main() {
  constexpr int kRows = 32;
  cudaStream_t stream = corpus::new_stream();
  float* temperatures = corpus::device_array(kRows, 4.0F);
  float* logits = corpus::device_array(kRows * kThreads, 3.0F);
  float* out = corpus::device_array(kRows * kThreads, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, kRows, temperatures, 0.5F);
  corpus::launch(stream, true, divide_by_temperature, kRows, kThreads, logits, out, temperatures);
  return corpus::count_wrong(stream, out, kRows * kThreads, 6.0F);
}
