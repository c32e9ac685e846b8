// https://github.com/flashinfer-ai/flashinfer/issues/2708: a macro that switches the wait on was
// defined for one architecture and not for another, while the attribute was set for both.
// nvcc: -gencode arch=compute_90a,code=sm_90a -gencode arch=compute_120a,code=sm_120a
// nvcc-repaired: -gencode arch=compute_90a,code=sm_90a -gencode arch=compute_120a,code=sm_120a
// not in SASS alone: it takes both images together
#include "chain.cuh"

#if defined(REPAIRED) || __CUDA_ARCH__ == 900
#define ENABLE_DEPENDENT_LAUNCH
#endif

constexpr int kThreads = 64;

__global__ void multiply(float* in, float* out) {
#ifdef ENABLE_DEPENDENT_LAUNCH
  cudaGridDependencySynchronize();
#endif
  out[corpus::thread_index()] = 2.0F * in[corpus::thread_index()];  // finds R7
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* in = corpus::device_array(kThreads, 0.0F);
  float* out = corpus::device_array(kThreads, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, kThreads, in, 2.0F);
  corpus::launch(stream, true, multiply, 1, kThreads, in, out);
  return corpus::count_wrong(stream, out, kThreads, 4.0F);
}
