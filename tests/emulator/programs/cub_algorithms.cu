// Algorithms of CUB, as the toolkit ships them: the argument names one. They are one program
// because each of CUB's headers takes nvcc ten seconds.
#include <algorithm>
#include <cub/device/device_merge_sort.cuh>
#include <cub/device/device_radix_sort.cuh>
#include <cub/device/device_reduce.cuh>
#include <cub/device/device_scan.cuh>
#include <cub/device/device_select.cuh>
#include <iterator>
#include <map>
#include <numeric>
#include <string>

#include "program.h"

namespace {

struct Less {
  __host__ __device__ bool operator()(unsigned left, unsigned right) const { return left < right; }
};

// Its kernels use programmatic dependent launch.
void merge_sort() {
  constexpr int kCount = 20011;
  std::vector<unsigned> keys = scrambled(kCount);
  unsigned* device_keys = to_device(keys);
  size_t bytes = 0;
  check(cub::DeviceMergeSort::SortKeys(nullptr, bytes, device_keys, kCount, Less{}), "size");
  void* scratch = device_array<char>(bytes);
  check(cub::DeviceMergeSort::SortKeys(scratch, bytes, device_keys, kCount, Less{}), "sort");
  std::sort(keys.begin(), keys.end());
  expect(to_host(device_keys, kCount) == keys, "sorted keys");
}

void radix_sort() {
  constexpr int kCount = 20011;
  std::vector<unsigned> keys = scrambled(kCount);
  const unsigned* in = to_device(keys);
  unsigned* out = device_array<unsigned>(kCount);
  size_t bytes = 0;
  check(cub::DeviceRadixSort::SortKeys(nullptr, bytes, in, out, kCount), "size");
  void* scratch = device_array<char>(bytes);
  check(cub::DeviceRadixSort::SortKeys(scratch, bytes, in, out, kCount), "sort");
  std::sort(keys.begin(), keys.end());
  expect(to_host(out, kCount) == keys, "sorted keys");
}

void reduce() {
  constexpr int kCount = 100003;
  const std::vector<unsigned> values = scrambled(kCount);
  const unsigned* in = to_device(values);
  unsigned* out = device_array<unsigned>(1);
  size_t bytes = 0;
  check(cub::DeviceReduce::Sum(nullptr, bytes, in, out, kCount), "size");
  void* scratch = device_array<char>(bytes);
  check(cub::DeviceReduce::Sum(scratch, bytes, in, out, kCount), "sum");
  expect(to_host(out, 1).front() == std::accumulate(values.begin(), values.end(), 0U), "sum");
}

// Blocks hand their sums on through flags in global memory.
void scan() {
  constexpr int kCount = 50021;
  const std::vector<unsigned> values = scrambled(kCount);
  const unsigned* in = to_device(values);
  unsigned* out = device_array<unsigned>(kCount);
  size_t bytes = 0;
  check(cub::DeviceScan::ExclusiveSum(nullptr, bytes, in, out, kCount), "size");
  void* scratch = device_array<char>(bytes);
  check(cub::DeviceScan::ExclusiveSum(scratch, bytes, in, out, kCount), "scan");
  std::vector<unsigned> sums(kCount);
  std::exclusive_scan(values.begin(), values.end(), sums.begin(), 0U);
  expect(to_host(out, kCount) == sums, "prefix sums");
}

struct IsOdd {
  __host__ __device__ bool operator()(unsigned value) const { return value % 2 == 1; }
};

void select() {
  constexpr int kCount = 50021;
  const std::vector<unsigned> values = scrambled(kCount);
  const unsigned* in = to_device(values);
  unsigned* out = device_array<unsigned>(kCount);
  int* count = device_array<int>(1);
  size_t bytes = 0;
  check(cub::DeviceSelect::If(nullptr, bytes, in, out, count, kCount, IsOdd{}), "size");
  void* scratch = device_array<char>(bytes);
  check(cub::DeviceSelect::If(scratch, bytes, in, out, count, kCount, IsOdd{}), "select");
  std::vector<unsigned> odd;
  std::copy_if(values.begin(), values.end(), std::back_inserter(odd), IsOdd{});
  expect(to_host(count, 1).front() == static_cast<int>(odd.size()), "number selected");
  expect(to_host(out, odd.size()) == odd, "values selected");
}

}  // namespace

int main(int argc, char** argv) {
  const std::map<std::string, void (*)()> algorithms = {{"merge_sort", merge_sort},
                                                        {"radix_sort", radix_sort},
                                                        {"reduce", reduce},
                                                        {"scan", scan},
                                                        {"select", select}};
  const auto found = algorithms.find(argc > 1 ? argv[1] : "");
  if (found == algorithms.end()) {
    std::fprintf(stderr, "usage: %s merge_sort|radix_sort|reduce|scan|select\n", argv[0]);
    return 2;
  }
  found->second();
}
