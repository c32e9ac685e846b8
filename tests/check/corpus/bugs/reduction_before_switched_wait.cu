// A wait that a parameter switches on, after a reduction over the warp, which on sm_100 puts its result
// into a uniform register (CREDUX), often that in which the parameter was: as in vLLM's mixture of
// experts, where the wait is right.
// nvcc: -gencode arch=compute_100a,code=[sm_100a,compute_100a]
// nvcc-repaired: -gencode arch=compute_100a,code=[sm_100a,compute_100a]
#include "chain.cuh"

constexpr int kThreads = 64;

__global__ void scale(unsigned* in, unsigned* out, unsigned largest, bool use_pdl) {
  const unsigned here = __reduce_max_sync(~0U, threadIdx.x * largest);
#ifdef REPAIRED
  if (use_pdl) cudaGridDependencySynchronize();
  const unsigned value = in[threadIdx.x];
#else
  const unsigned value = in[threadIdx.x];  // finds R1
  if (use_pdl) cudaGridDependencySynchronize();
#endif
  out[threadIdx.x] = __reduce_max_sync(~0U, value) + here;
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  unsigned* in = corpus::device_array(kThreads, 0U);
  unsigned* out = corpus::device_array(kThreads, 0U);
  corpus::launch(stream, true, corpus::slow_producer<unsigned>, 1, kThreads, in, 1U);
  corpus::launch(stream, true, scale, 1, kThreads, in, out, 0U, true);
  return corpus::count_wrong(stream, out, kThreads, 1U);
}
