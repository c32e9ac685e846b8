// https://github.com/NVIDIA/cccl/pull/11463: const __restrict__ lets the compiler reuse a value
// that it read above the wait for the read below it.
#include "chain.cuh"

constexpr int kThreads = 128;

#ifdef REPAIRED
__global__ void accumulate(const float* in, float* out) {
  cudaGridDependencySynchronize();
  const int i = corpus::thread_index();
  const float before = 0.0F;
#else
__global__ void accumulate(const float* __restrict__ in, float* __restrict__ out) {
  const int i = corpus::thread_index();
  const float before = in[i];  // finds R1 R4 race
  cudaGridDependencySynchronize();
#endif
  out[i + kThreads] = before;
  out[i] = 2.0F * in[i];
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* in = corpus::device_array(kThreads, 0.0F);
  float* out = corpus::device_array(2 * kThreads, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, kThreads, in, 3.0F);
  corpus::launch(stream, true, accumulate, 1, kThreads, in, out);
  return corpus::count_wrong(stream, out, kThreads, 6.0F);
}

// silent in SASS alone: there the compiler moved the read below the wait, and the machine code is right
