// A parameter skips the wait together with the read that it is for. What follows both is then early:
// this is no `if (use_pdl) wait`.
#include "chain.cuh"

constexpr int kThreads = 64;

__global__ void add_bias(float* bias, float* out, int has_bias) {
  float value = 1.0F;
#ifdef REPAIRED
  cudaGridDependencySynchronize();
  if (has_bias != 0) value += bias[threadIdx.x];
#else
  if (has_bias != 0) {  // finds R3
    cudaGridDependencySynchronize();
    value += bias[threadIdx.x];
  }
#endif
  out[threadIdx.x] = value;  // finds R6 race
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* bias = corpus::device_array(kThreads, 0.0F);
  float* out = corpus::device_array(kThreads, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, kThreads, out, 5.0F);
  corpus::launch(stream, true, add_bias, 1, kThreads, bias, out, 0);
  return corpus::count_wrong(stream, out, kThreads, 1.0F);
}
