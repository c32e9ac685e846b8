// https://github.com/NVIDIA/cccl/issues/3131: a trigger before the kernel's work was taken for a
// race. The consumer waits, so it is none.
#include "chain.cuh"

constexpr int kThreads = 64;

__global__ void partition(int* out) {
  cudaGridDependencySynchronize();
  cudaTriggerProgrammaticLaunchCompletion();
  corpus::dawdle();
  out[corpus::thread_index()] = 1;
}

__global__ void merge(int* in, int* out) {
  cudaGridDependencySynchronize();
  out[corpus::thread_index()] = in[corpus::thread_index()];
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  int* in = corpus::device_array(kThreads, 0);
  int* out = corpus::device_array(kThreads, 0);
  corpus::launch(stream, true, partition, 1, kThreads, in);
  corpus::launch(stream, true, merge, 1, kThreads, in, out);
  return corpus::count_wrong(stream, out, kThreads, 1);
}
