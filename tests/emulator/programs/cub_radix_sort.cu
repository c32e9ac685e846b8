// cub::DeviceRadixSort, as the toolkit ships it.
#include <algorithm>
#include <cub/device/device_radix_sort.cuh>

#include "program.h"

int main() {
  constexpr int kCount = 20011;
  std::vector<unsigned> keys = scrambled(kCount);
  const unsigned* in = to_device(keys);
  unsigned* out = device_array<unsigned>(kCount);
  std::size_t bytes = 0;
  check(cub::DeviceRadixSort::SortKeys(nullptr, bytes, in, out, kCount), "size");
  void* scratch = device_array<char>(bytes);
  check(cub::DeviceRadixSort::SortKeys(scratch, bytes, in, out, kCount), "sort");
  std::sort(keys.begin(), keys.end());
  expect(to_host(out, kCount) == keys, "sorted keys");
}
