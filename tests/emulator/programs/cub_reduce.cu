// cub::DeviceReduce, as the toolkit ships it.
#include <cub/device/device_reduce.cuh>
#include <numeric>

#include "program.h"

int main() {
  constexpr int kCount = 100003;
  const std::vector<unsigned> values = scrambled(kCount);
  const unsigned* in = to_device(values);
  unsigned* out = device_array<unsigned>(1);
  std::size_t bytes = 0;
  check(cub::DeviceReduce::Sum(nullptr, bytes, in, out, kCount), "size");
  void* scratch = device_array<char>(bytes);
  check(cub::DeviceReduce::Sum(scratch, bytes, in, out, kCount), "sum");
  expect(to_host(out, 1).front() == std::accumulate(values.begin(), values.end(), 0U), "sum");
}
