// Reads that are warnings and no errors, since the kernel need not write what it reads early: under a
// guard, through a register that later holds the pointer of a store; through one of two pointers, of which
// one is written; and at an index that a store has, too, from a stride and a table of numbers. A table that
// nobody writes may be read early through the read-only path.
#include "chain.cuh"

constexpr int kThreads = 64;

__global__ void __launch_bounds__(kThreads)
    add(const float* bias, float* first, float* second, const float* rows, long stride,
        const long* __restrict__ offsets, float* out, int has_bias, int takes_second) {
  const int i = static_cast<int>(threadIdx.x);
#ifdef REPAIRED
  cudaGridDependencySynchronize();
#endif
  float sum = 0.0F;
  if (has_bias != 0) sum = bias[i];  // finds R1 (a warning), race
  const float* chosen = takes_second != 0 ? second : first;
  sum += chosen[i];  // finds R1 (a warning)
  const long at = i * stride + offsets[blockIdx.x];
  sum += rows[at];  // finds R1 (a warning)
#ifndef REPAIRED
  cudaGridDependencySynchronize();
#endif
  second[i] = sum;
  out[at] = sum;
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* bias = corpus::device_array(kThreads, 0.0F);
  float* first = corpus::device_array(kThreads, 1.0F);
  float* second = corpus::device_array(kThreads, 1.0F);
  const float* rows = corpus::device_array(kThreads, 1.0F);
  const long* offsets = corpus::device_array(1, 0L);
  float* out = corpus::device_array(kThreads, 0.0F);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, kThreads, bias, 1.0F);
  corpus::launch(stream, true, add, 1, kThreads, bias, first, second, rows, 1L, offsets, out, 1, 0);
  return corpus::count_wrong(stream, out, kThreads, 3.0F);
}
/* launches
{"kernels": [{"name": "add", "parameters": [{"index": 5, "role": "constant"}]}]}
*/
