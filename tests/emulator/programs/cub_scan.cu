// cub::DeviceScan, as the toolkit ships it: blocks hand their sums on through flags in global
// memory.
#include <cub/device/device_scan.cuh>
#include <numeric>

#include "program.h"

int main() {
  constexpr int kCount = 50021;
  const std::vector<unsigned> values = scrambled(kCount);
  const unsigned* in = to_device(values);
  unsigned* out = device_array<unsigned>(kCount);
  std::size_t bytes = 0;
  check(cub::DeviceScan::ExclusiveSum(nullptr, bytes, in, out, kCount), "size");
  void* scratch = device_array<char>(bytes);
  check(cub::DeviceScan::ExclusiveSum(scratch, bytes, in, out, kCount), "scan");
  std::vector<unsigned> sums(kCount);
  std::exclusive_scan(values.begin(), values.end(), sums.begin(), 0U);
  expect(to_host(out, kCount) == sums, "prefix sums");
}
