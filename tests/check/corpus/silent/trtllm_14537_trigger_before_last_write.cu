// https://github.com/NVIDIA/TensorRT-LLM/pull/14537, also cudnn-frontend #856 and others: a trigger
// before the last write was taken for a race. It publishes nothing and need not.
#include "chain.cuh"

constexpr int kWarp = 32;

__global__ void __launch_bounds__(4 * kWarp) gemm(const float* in, float* out) {
  __shared__ float tile[4 * kWarp];
  cudaGridDependencySynchronize();
  tile[threadIdx.x] = in[threadIdx.x];
  __syncthreads();
  if (threadIdx.x < kWarp) cudaTriggerProgrammaticLaunchCompletion();
  out[threadIdx.x] = tile[4 * kWarp - 1 - threadIdx.x];
}

__global__ void consume(float* in, float* out) {
  cudaGridDependencySynchronize();
  out[threadIdx.x] = in[threadIdx.x];
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* in = corpus::device_array(4 * kWarp, 1.0F);
  float* middle = corpus::device_array(4 * kWarp, 0.0F);
  float* out = corpus::device_array(4 * kWarp, 0.0F);
  corpus::launch(stream, true, gemm, 1, 4 * kWarp, in, middle);
  corpus::launch(stream, true, consume, 1, 4 * kWarp, middle, out);
  return corpus::count_wrong(stream, out, 4 * kWarp, 1.0F);
}
