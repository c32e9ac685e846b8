// Sorts with CUB: a CUDA program as anybody would write it, with nothing of Slipstream in it.
// emulate_cub.sh compiles it and runs it where there is no GPU.
#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cub/device/device_merge_sort.cuh>
#include <vector>

namespace {

struct Less {
  __device__ bool operator()(unsigned left, unsigned right) const { return left < right; }
};

void require(cudaError_t code, const char* call) {
  if (code == cudaSuccess) return;
  std::fprintf(stderr, "%s: %s\n", call, cudaGetErrorString(code));
  std::exit(1);
}

}  // namespace

int main() {
  std::vector<unsigned> keys(20000);
  unsigned state = 1;
  for (unsigned& key : keys) key = state = state * 1664525U + 1013904223U;

  const size_t key_bytes = keys.size() * sizeof(unsigned);
  unsigned* device_keys = nullptr;
  require(cudaMalloc(&device_keys, key_bytes), "cudaMalloc");
  require(cudaMemcpy(device_keys, keys.data(), key_bytes, cudaMemcpyHostToDevice), "cudaMemcpy");
  void* scratch = nullptr;
  size_t scratch_bytes = 0;
  const int count = static_cast<int>(keys.size());
  require(cub::DeviceMergeSort::SortKeys(scratch, scratch_bytes, device_keys, count, Less{}),
          "size");
  require(cudaMalloc(&scratch, scratch_bytes), "cudaMalloc");
  require(cub::DeviceMergeSort::SortKeys(scratch, scratch_bytes, device_keys, count, Less{}),
          "sort");

  std::vector<unsigned> sorted(keys.size());
  require(cudaMemcpy(sorted.data(), device_keys, key_bytes, cudaMemcpyDeviceToHost), "cudaMemcpy");
  std::sort(keys.begin(), keys.end());
  std::printf("%zu keys, %s\n", keys.size(), sorted == keys ? "sorted" : "NOT sorted");
  return sorted == keys ? 0 : 1;
}
