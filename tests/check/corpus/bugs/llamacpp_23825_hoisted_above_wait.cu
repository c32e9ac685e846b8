// https://github.com/ggml-org/llama.cpp/pull/23825: a read through a const __restrict__ pointer was
// moved above the wait. Here the wait is in the first round of a loop; PTX still has the read below
// it, SASS does not.
#include "chain.cuh"

constexpr int kThreads = 128;

#ifdef REPAIRED
__global__ void sum(const float* in, float* out, int rounds) {
#else
__global__ void sum(const float* __restrict__ in, float* __restrict__ out, int rounds) {
#endif
  const int i = corpus::thread_index();
  float total = 0.0F;
  for (int round = 0; round < rounds; ++round) {
    if (round == 0) cudaGridDependencySynchronize();
    total += in[i];  // finds R4 R5
  }
  cudaGridDependencySynchronize();
  out[i] = total;
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* in = corpus::device_array(kThreads, 0.0F);
  float* out = corpus::device_array(kThreads, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, kThreads, in, 3.0F);
  corpus::launch(stream, true, sum, 1, kThreads, in, out, 2);
  return corpus::count_wrong(stream, out, kThreads, 6.0F);
}
