// https://github.com/mirage-project/mirage/issues/761: a grid that spins holds the multiprocessors
// that the one it spins for needs. The same shape with PDL: the spin stands above the wait.
#include "chain.cuh"

constexpr int kThreads = 32;

__device__ int load_acquire(const int* flag) {
  int value = 0;
  asm volatile("ld.acquire.gpu.global.s32 %0, [%1];"
               : "=r"(value)
               : "l"(flag)  // finds R13 R1 race
               : "memory");
  return value;
}

__global__ void produce(int* flag) {
  cudaGridDependencySynchronize();
  cudaTriggerProgrammaticLaunchCompletion();
  __threadfence();
  flag[0] = 1;
}

__global__ void consume(int* flag, int* out) {
#ifdef REPAIRED
  cudaGridDependencySynchronize();
#endif
  while (load_acquire(flag) == 0) {
  }
#ifndef REPAIRED
  cudaGridDependencySynchronize();
#endif
  out[threadIdx.x] = 1;
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  int* flag = corpus::device_array(1, 0);
  int* out = corpus::device_array(kThreads, 0);
  corpus::launch(stream, true, produce, 1, kThreads, flag);
  corpus::launch(stream, true, consume, 1, kThreads, flag, out);
  return corpus::count_wrong(stream, out, kThreads, 1);
}
