// https://github.com/flashinfer-ai/flashinfer/issues/2558: inline assembly of the wait without a
// memory clobber. What the compiler makes of it today happens to be right.
// not in SASS alone: the source alone shows it
#include "chain.cuh"

constexpr int kThreads = 64;

__device__ void wait() {
#ifdef REPAIRED
  asm volatile("griddepcontrol.wait;" ::: "memory");
#else
  asm volatile("griddepcontrol.wait;");  // finds R10
#endif
}

__global__ void copy(float* in, float* out) {
  wait();
  out[corpus::thread_index()] = in[corpus::thread_index()];
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* in = corpus::device_array(kThreads, 0.0F);
  float* out = corpus::device_array(kThreads, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, kThreads, in, 2.0F);
  corpus::launch(stream, true, copy, 1, kThreads, in, out);
  return corpus::count_wrong(stream, out, kThreads, 2.0F);
}
