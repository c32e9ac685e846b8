// https://github.com/sgl-project/sglang/issues/30209: a hang in an all-reduce that polls for its
// peers' values, followed by the fused norm, was put down to the wait. The ranks disagreed about
// a shape. Polling after the wait is right, and so is a kernel that waits for one that polls.
#include "chain.cuh"

constexpr int kThreads = 64;
constexpr float kNotThere = -1.0F;

// The first block stands for one rank, the second for the other.
__global__ void all_reduce(float* in, float* mailbox, float* sum) {
  cudaGridDependencySynchronize();
  cudaTriggerProgrammaticLaunchCompletion();
  volatile float* slot = mailbox + threadIdx.x;
  if (blockIdx.x == 0) {
    *slot = in[threadIdx.x];
    return;
  }
  float value = *slot;
  while (value == kNotThere) value = *slot;
  sum[threadIdx.x] = value + in[threadIdx.x];
}

__global__ void normalize(float* sum, float* out) {
  cudaGridDependencySynchronize();
  out[threadIdx.x] = sum[threadIdx.x] / 2.0F;
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* in = corpus::device_array(kThreads, 0.0F);
  float* mailbox = corpus::device_array(kThreads, kNotThere);
  float* sum = corpus::device_array(kThreads, 0.0F);
  float* out = corpus::device_array(kThreads, 0.0F);
  corpus::launch(stream, false, corpus::slow_producer<float>, 1, kThreads, in, 1.0F);
  corpus::launch(stream, true, all_reduce, 2, kThreads, in, mailbox, sum);
  corpus::launch(stream, true, normalize, 1, kThreads, sum, out);
  return corpus::count_wrong(stream, out, kThreads, 1.0F);
}
