// cub::DeviceMergeSort, as the toolkit ships it. Its kernels use programmatic dependent launch.
#include <algorithm>
#include <cub/device/device_merge_sort.cuh>

#include "program.h"

struct Less {
  __host__ __device__ bool operator()(unsigned left, unsigned right) const { return left < right; }
};

int main() {
  constexpr int kCount = 20011;
  std::vector<unsigned> keys = scrambled(kCount);
  unsigned* device_keys = to_device(keys);
  std::size_t bytes = 0;
  check(cub::DeviceMergeSort::SortKeys(nullptr, bytes, device_keys, kCount, Less{}), "size");
  void* scratch = device_array<char>(bytes);
  check(cub::DeviceMergeSort::SortKeys(scratch, bytes, device_keys, kCount, Less{}), "sort");
  std::sort(keys.begin(), keys.end());
  expect(to_host(device_keys, kCount) == keys, "sorted keys");
}
