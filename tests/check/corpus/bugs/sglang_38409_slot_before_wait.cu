// https://github.com/sgl-project/sglang/pull/38409: the cache slot that a row goes to is read above
// the wait, and is produced memory like any other.
#include "chain.cuh"

constexpr int kThreads = 32;

__global__ void set_row(long long* out_loc, const float* row, float* cache) {
#ifdef REPAIRED
  cudaGridDependencySynchronize();
#endif
  const long long slot = out_loc[blockIdx.x];  // finds R1 race
#ifndef REPAIRED
  cudaGridDependencySynchronize();
#endif
  cache[slot * kThreads + threadIdx.x] = row[threadIdx.x];
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  long long* out_loc = corpus::device_array(kThreads, 0LL);
  float* row = corpus::device_array(kThreads, 1.0F);
  float* cache = corpus::device_array(2 * kThreads, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<long long>, 1, kThreads, out_loc, 1LL);
  corpus::launch(stream, true, set_row, 1, kThreads, out_loc, row, cache);
  return corpus::count_wrong(stream, cache + kThreads, kThreads, 1.0F);
}
