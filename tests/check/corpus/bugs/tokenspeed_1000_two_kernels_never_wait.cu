// https://github.com/lightseekorg/tokenspeed/pull/1000: two generated kernels in a row, both
// launched with the attribute, neither waits.
#include "chain.cuh"

constexpr int kThreads = 64;

__global__ void first(float* in, float* out) {
#ifdef REPAIRED
  cudaGridDependencySynchronize();
#endif
  cudaTriggerProgrammaticLaunchCompletion();
  out[corpus::thread_index()] = in[corpus::thread_index()] + 1.0F;  // finds R1 R6 R7 race
}

__global__ void second(float* in, float* out) {
#ifdef REPAIRED
  cudaGridDependencySynchronize();
#endif
  out[corpus::thread_index()] = 2.0F * in[corpus::thread_index()];  // finds R1 R6 R7 race
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* in = corpus::device_array(kThreads, 0.0F);
  float* middle = corpus::device_array(kThreads, 0.0F);
  float* out = corpus::device_array(kThreads, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, kThreads, in, 1.0F);
  corpus::launch(stream, true, first, 1, kThreads, in, middle);
  corpus::launch(stream, true, second, 1, kThreads, middle, out);
  return corpus::count_wrong(stream, out, kThreads, 4.0F);
}
/* launches
{"kernels": [{"name": "first", "pdl": true}, {"name": "second", "pdl": true}]}
*/
