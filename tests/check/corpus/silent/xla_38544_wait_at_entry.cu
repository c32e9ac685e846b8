// https://github.com/openxla/xla/pull/38544: every generated kernel waits first. Safe by
// construction.
#include "chain.cuh"

constexpr int kThreads = 64;

__global__ void fused(const float* a, const float* b, float* out, int n) {
  cudaGridDependencySynchronize();
  const int i = corpus::thread_index();
  if (i < n) out[i] = a[i] + b[i];
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* a = corpus::device_array(kThreads, 0.0F);
  float* b = corpus::device_array(kThreads, 1.0F);
  float* out = corpus::device_array(kThreads, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, kThreads, a, 1.0F);
  corpus::launch(stream, true, fused, 1, kThreads, a, b, out, kThreads);
  return corpus::count_wrong(stream, out, kThreads, 2.0F);
}
