// A kernel whose threads leave where there is nothing for them, by a count that was read: if it is 0
// they all do, without a wait, and the chain is broken as in gpuowl_33.
#include "chain.cuh"

constexpr int kThreads = 64;

__global__ void middle(float* data, const int* count) {
#ifdef REPAIRED
  cudaGridDependencySynchronize();
#endif
  if (static_cast<int>(threadIdx.x) >= *count) return;  // finds R3
#ifndef REPAIRED
  cudaGridDependencySynchronize();
#endif
  data[threadIdx.x] *= 2.0F;
}

__global__ void consume(const float* in, float* out) {
  cudaGridDependencySynchronize();
  out[corpus::thread_index()] = in[corpus::thread_index()];  // finds race
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* data = corpus::device_array(kThreads, 0.0F);
  float* out = corpus::device_array(kThreads, 0.0F);
  const int* count = corpus::device_array(1, 0);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, kThreads, data, 1.0F);
  corpus::launch(stream, true, middle, 1, kThreads, data, count);
  corpus::launch(stream, true, consume, 1, kThreads, data, out);
  return corpus::count_wrong(stream, out, kThreads, 1.0F);
}
/* launches
{"kernels": [{"name": "middle", "pdl": true, "parameters": [{"index": 1, "role": "constant"}]}]}
*/
