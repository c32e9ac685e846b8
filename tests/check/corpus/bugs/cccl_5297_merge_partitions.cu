// https://github.com/NVIDIA/cccl/issues/5297: a merge kernel read its partition bounds, which the
// kernel before it computes, above the wait.
#include "chain.cuh"

constexpr int kTile = 128;

__global__ void merge(int* partitions, const int* in, int* out) {
#ifdef REPAIRED
  cudaGridDependencySynchronize();
  const int begin = partitions[blockIdx.x];
  const int end = partitions[blockIdx.x + 1];
#else
  const int begin = partitions[blockIdx.x];    // finds R1 race
  const int end = partitions[blockIdx.x + 1];  // finds R1 race
  cudaGridDependencySynchronize();
#endif
  for (int i = begin + static_cast<int>(threadIdx.x); i < end; i += kTile) out[i] = in[i];
}

__global__ void partition(int* partitions) {
  cudaGridDependencySynchronize();
  cudaTriggerProgrammaticLaunchCompletion();
  corpus::dawdle();
  partitions[threadIdx.x] = static_cast<int>(threadIdx.x) * kTile;
}

int main() {
  cudaStream_t stream = corpus::new_stream();
  int* partitions = corpus::device_array(3, 0);
  int* in = corpus::device_array(2 * kTile, 7);
  int* out = corpus::device_array(2 * kTile, 0);
  corpus::launch(stream, true, partition, 1, 3, partitions);
  corpus::launch(stream, true, merge, 2, kTile, partitions, in, out);
  return corpus::count_wrong(stream, out, 2 * kTile, 7);
}
