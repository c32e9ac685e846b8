// A wait that a parameter switches on, `if (use_pdl) wait`, as many libraries have it: right where the
// host sets the parameter with the attribute, and no help to what is read before it.
#include "chain.cuh"

constexpr int kThreads = 64;

__global__ void scale(float* in, float* out, bool use_pdl) {
#ifdef REPAIRED
  if (use_pdl) cudaGridDependencySynchronize();
  const float value = in[threadIdx.x];
#else
  const float value = in[threadIdx.x];  // finds R1 race
  if (use_pdl) cudaGridDependencySynchronize();
#endif
  out[threadIdx.x] = 2.0F * value;
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* in = corpus::device_array(kThreads, 0.0F);
  float* out = corpus::device_array(kThreads, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, kThreads, in, 1.0F);
  corpus::launch(stream, true, scale, 1, kThreads, in, out, true);
  return corpus::count_wrong(stream, out, kThreads, 2.0F);
}
