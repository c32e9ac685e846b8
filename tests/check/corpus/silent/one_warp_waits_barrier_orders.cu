// One warp waits and a barrier orders the rest; a leader lane waits and a warp barrier orders its
// warp. Also weights that are read before the wait, said to be constant.
#include "chain.cuh"

constexpr int kThreads = 128;

__global__ void by_block(const float* weights, float* in, float* out) {
  const float weight = weights[threadIdx.x];
  if (threadIdx.x / 32 == 1) cudaGridDependencySynchronize();
  __syncthreads();
  out[threadIdx.x] = weight * in[threadIdx.x];
}

__global__ void by_warp(float* in, float* out) {
  if (threadIdx.x % 32 == 0) cudaGridDependencySynchronize();
  __syncwarp();
  out[threadIdx.x] = in[threadIdx.x];
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* weights = corpus::device_array(kThreads, 2.0F);
  float* in = corpus::device_array(kThreads, 0.0F);
  float* middle = corpus::device_array(kThreads, 0.0F);
  float* out = corpus::device_array(kThreads, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, kThreads, in, 1.0F);
  corpus::launch(stream, true, by_block, 1, kThreads, weights, in, middle);
  corpus::launch(stream, true, by_warp, 1, kThreads, middle, out);
  return corpus::count_wrong(stream, out, kThreads, 2.0F);
}
/* launches
{"kernels": [{"name": "by_block", "pdl": true, "block": 128,
              "parameters": [{"index": 0, "role": "constant"}, {"index": 1, "role": "produced"},
                             {"index": 2, "role": "written"}]}]}
*/
