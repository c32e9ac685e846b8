// https://github.com/NVIDIA/cccl/issues/9134: the attribute is set by the device's capability, but
// the image that gets loaded was compiled for an older one, where the wait is compiled out.
// nvcc: -gencode arch=compute_80,code=compute_80
// nvcc-repaired: -gencode arch=compute_90,code=compute_90
// not in SASS alone: there is none
#include "chain.cuh"

constexpr int kThreads = 128;

__global__ void consume(const float* in, float* out) {
#if __CUDA_ARCH__ >= 900
  cudaGridDependencySynchronize();
#endif
  out[corpus::thread_index()] = 2.0F * in[corpus::thread_index()];  // finds R7 R1 R6 race
}

__global__ void produce(float* out) { out[corpus::thread_index()] = 3.0F; }

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* in = corpus::device_array(kThreads, 0.0F);
  float* out = corpus::device_array(kThreads, 0.0F);
  corpus::launch(stream, false, produce, 1, kThreads, in);
  corpus::launch(stream, true, consume, 1, kThreads, in, out);
  return corpus::count_wrong(stream, out, kThreads, 6.0F);
}
/* launches
{"kernels": [{"name": "consume", "pdl": true}]}
*/
