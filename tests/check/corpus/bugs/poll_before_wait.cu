// Sampling kernels that poll, before their wait, for what an earlier kernel sends once it has waited
// itself. What follows the poll may be ordered by it, which no binary says: a warning.
#include "chain.cuh"

constexpr int kThreads = 32;

__device__ int load_acquire(const int* flag) {
  int value = 0;
  asm volatile("ld.acquire.gpu.global.s32 %0, [%1];"
               : "=r"(value)
               : "l"(flag)  // finds R13 R1
               : "memory");
  return value;
}

__device__ void store_release(int* flag, int value) {
  asm volatile("st.release.gpu.global.s32 [%0], %1;" ::"l"(flag), "r"(value) : "memory");
}

__global__ void send(int* flag, int* out) {
  cudaGridDependencySynchronize();
  cudaTriggerProgrammaticLaunchCompletion();
  out[threadIdx.x] = 1;
  __syncthreads();
  if (threadIdx.x == 0) store_release(flag, 1);
}

__global__ void finish(int* flag, int* out) {
#ifdef REPAIRED
  cudaGridDependencySynchronize();
#endif
  while (load_acquire(flag) == 0) {
  }
  out[threadIdx.x] = 2;  // finds R6 (a warning)
#ifndef REPAIRED
  cudaGridDependencySynchronize();
#endif
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  int* flag = corpus::device_array(1, 0);
  int* out = corpus::device_array(kThreads, 0);
  corpus::launch(stream, true, send, 1, kThreads, flag, out);
  corpus::launch(stream, true, finish, 1, kThreads, flag, out);
  return corpus::count_wrong(stream, out, kThreads, 2);
}
