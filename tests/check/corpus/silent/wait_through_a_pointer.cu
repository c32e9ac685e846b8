// A kernel that calls through a pointer to a function, where it waits. Machine code names the functions
// that it may be; PTX does not, and so it is not said of it that the wait is compiled out there.
// not analyzed: a call through a pointer
#include "chain.cuh"

constexpr int kThreads = 64;

using Step = void (*)(const float*, float*);

__device__ __noinline__ void copy(const float* in, float* out) {
  cudaGridDependencySynchronize();
  out[threadIdx.x] = in[threadIdx.x];
}

__device__ __noinline__ void add(const float* in, float* out) {
  cudaGridDependencySynchronize();
  out[threadIdx.x] += in[threadIdx.x];
}

__constant__ Step steps[2] = {copy, add};

__global__ void run(int which, const float* in, float* out) { steps[which](in, out); }

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* in = corpus::device_array(kThreads, 0.0F);
  float* out = corpus::device_array(kThreads, 1.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, kThreads, in, 1.0F);
  corpus::launch(stream, true, run, 1, kThreads, 1, in, out);
  return corpus::count_wrong(stream, out, kThreads, 2.0F);
}
