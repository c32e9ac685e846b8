// The inline assembly of flashinfer_2558, put together by a macro: nowhere does the source say which
// instruction it is.
// not in SASS alone: the source alone shows it
#include "chain.cuh"

#define DEPENDENCY(operation) asm volatile("griddepcontrol." #operation ";")
#define ORDERED_DEPENDENCY(operation) asm volatile("griddepcontrol." #operation ";" ::: "memory")

constexpr int kThreads = 64;

__device__ void wait() {
#ifdef REPAIRED
  ORDERED_DEPENDENCY(wait);
#else
  DEPENDENCY(wait);  // finds R10
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
