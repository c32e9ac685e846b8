// https://github.com/pytorch/pytorch/pull/166741: a store into a buffer that the allocator reuses
// stands above the wait; the kernel before may still read the old contents.
#include "chain.cuh"

constexpr int kThreads = 64;

__global__ void slow_reader(const float* buffer, float* out) {
  cudaGridDependencySynchronize();
  cudaTriggerProgrammaticLaunchCompletion();
  corpus::dawdle();
  out[corpus::thread_index()] = buffer[corpus::thread_index()];
}

__global__ void fill(float* buffer) {
#ifdef REPAIRED
  cudaGridDependencySynchronize();
#endif
  buffer[corpus::thread_index()] = 9.0F;  // finds R6 race
#ifndef REPAIRED
  cudaGridDependencySynchronize();
#endif
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* buffer = corpus::device_array(kThreads, 1.0F);
  float* out = corpus::device_array(kThreads, 0.0F);
  corpus::launch(stream, true, slow_reader, 1, kThreads, buffer, out);
  corpus::launch(stream, true, fill, 1, kThreads, buffer);
  return corpus::count_wrong(stream, out, kThreads, 1.0F);
}
