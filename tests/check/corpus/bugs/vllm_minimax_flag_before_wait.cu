// https://github.com/vllm-project/vllm, csrc/libtorch_stable/minimax_reduce_rms_kernel.cu: the
// all-reduce reads above the wait which of its buffers are next, and writes that at its very end,
// after the trigger. A launch that follows directly takes the same buffers again.
#include "chain.cuh"

__global__ void reduce(int* flag, float* buffers) {
#ifdef REPAIRED
  cudaGridDependencySynchronize();
#endif
  const int next = *flag;  // finds R1 race
#ifndef REPAIRED
  cudaGridDependencySynchronize();
#endif
  cudaTriggerProgrammaticLaunchCompletion();
  corpus::dawdle();
  buffers[next] += 1.0F;
  *flag = (next + 1) % 3;
}

int main() {
  constexpr int kBuffers = 3;
  cudaStream_t stream = corpus::new_stream();
  int* flag = corpus::device_array(1, 0);
  float* buffers = corpus::device_array(kBuffers, 0.0F);
  for (int i = 0; i < kBuffers; ++i) corpus::launch(stream, true, reduce, 1, 1, flag, buffers);
  return corpus::count_wrong(stream, buffers, kBuffers, 1.0F);
}
