// cub::DeviceSelect, as the toolkit ships it.
#include <algorithm>
#include <cub/device/device_select.cuh>
#include <iterator>

#include "program.h"

struct IsOdd {
  __host__ __device__ bool operator()(unsigned value) const { return value % 2 == 1; }
};

int main() {
  constexpr int kCount = 50021;
  const std::vector<unsigned> values = scrambled(kCount);
  const unsigned* in = to_device(values);
  unsigned* out = device_array<unsigned>(kCount);
  int* count = device_array<int>(1);
  std::size_t bytes = 0;
  check(cub::DeviceSelect::If(nullptr, bytes, in, out, count, kCount, IsOdd{}), "size");
  void* scratch = device_array<char>(bytes);
  check(cub::DeviceSelect::If(scratch, bytes, in, out, count, kCount, IsOdd{}), "select");
  std::vector<unsigned> odd;
  std::copy_if(values.begin(), values.end(), std::back_inserter(odd), IsOdd{});
  expect(to_host(count, 1).front() == static_cast<int>(odd.size()), "number selected");
  expect(to_host(out, odd.size()) == odd, "values selected");
}
