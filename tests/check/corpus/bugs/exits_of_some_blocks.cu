// CTAs that leave without a wait where there is nothing for them, by their index, divided by a number of
// tiles. With the bug that does not depend on the index, so every CTA may leave. After it a kernel that
// waits where there are rounds, and reads in a round: one implies the other.
#include "chain.cuh"

constexpr int kThreads = 64;

__global__ void middle(float* data, int tiles, int count) {
#ifdef REPAIRED
  const int row = static_cast<int>(blockIdx.x) / tiles;
#else
  const int row = kThreads / tiles;
#endif
  if (row >= count) return;  // finds R3
  cudaGridDependencySynchronize();
  data[threadIdx.x] *= 2.0F;
}

__global__ void consume(const float* in, const int* rounds_of, float* out) {
  const int rounds = rounds_of[blockIdx.x];
  if (rounds > 0) cudaGridDependencySynchronize();
  for (int round = 0; round < rounds; ++round) {
    const int i = round * kThreads + static_cast<int>(threadIdx.x);
    out[i] = in[i];  // finds race
  }
  cudaGridDependencySynchronize();
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  float* data = corpus::device_array(kThreads, 0.0F);
  float* out = corpus::device_array(kThreads, 0.0F);
  const int* rounds = corpus::device_array(1, 1);
  corpus::launch(stream, true, corpus::slow_producer<float>, 1, kThreads, data, 1.0F);
  corpus::launch(stream, true, middle, 1, kThreads, data, 1, 1);
  corpus::launch(stream, true, consume, 1, kThreads, data, rounds, out);
#ifdef REPAIRED
  return corpus::count_wrong(stream, out, kThreads, 2.0F);
#else
  return corpus::count_wrong(stream, out, kThreads, 1.0F);
#endif
}
/* launches
{"kernels": [{"name": "middle", "pdl": true}, {"name": "consume", "pdl": true, "parameters": [
  {"index": 1, "role": "constant"}]}]}
*/
