// A counter that a thread adds to before the wait, in PTX as in machine code: reported once, as what it is,
// and not as a read that the compiler moved.
#include "chain.cuh"

constexpr int kThreads = 32;

__global__ void __launch_bounds__(kThreads) count(int* counter, const int* in, int* out) {
  __shared__ int before;
  if (threadIdx.x == 0) {
#ifdef REPAIRED
    cudaGridDependencySynchronize();
#endif
    asm volatile("atom.global.add.s32 %0, [%1], 1;"
                 : "=r"(before)
                 : "l"(counter)  // finds R2, race
                 : "memory");
  }
#ifndef REPAIRED
  cudaGridDependencySynchronize();
#endif
  __syncthreads();
  out[threadIdx.x] = before + in[threadIdx.x];
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  int* counter = corpus::device_array(1, 0);
  const int* in = corpus::device_array(kThreads, 1);
  int* out = corpus::device_array(kThreads, 0);
  corpus::launch(stream, true, corpus::slow_producer<int>, 1, 1, counter, 5);
  corpus::launch(stream, true, count, 1, kThreads, counter, in, out);
  return corpus::count_wrong(stream, out, kThreads, 6);
}
