// A cooperative launch whose blocks meet at grid barriers: each round reads what other blocks wrote
// in the round before.
#include <cooperative_groups.h>

#include "program.h"

namespace cg = cooperative_groups;

__global__ void rotate(unsigned* values, unsigned* scratch, int count, int rounds) {
  const cg::grid_group grid = cg::this_grid();
  const auto self = static_cast<int>(grid.thread_rank());
  for (int round = 0; round < rounds; ++round) {
    scratch[self] = values[(self + 37) % count] + 1;
    grid.sync();
    values[self] = scratch[(self + 101) % count];
    grid.sync();
  }
}

int main() {
  int blocks_per_multiprocessor = 0;
  check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks_per_multiprocessor, rotate, 64, 0),
        "occupancy");
  expect(blocks_per_multiprocessor > 0, "a block fits on a multiprocessor");
  constexpr int kBlocks = 6;
  int count = kBlocks * 64;
  int rounds = 5;
  std::vector<unsigned> values = scrambled(count);
  unsigned* device_values = to_device(values);
  unsigned* scratch = device_array<unsigned>(count);
  void* arguments[] = {&device_values, &scratch, &count, &rounds};
  check(cudaLaunchCooperativeKernel(rotate, dim3(kBlocks), dim3(64), arguments, 0, nullptr),
        "launch");
  for (int round = 0; round < rounds; ++round) {
    std::vector<unsigned> next(count);
    for (int i = 0; i < count; ++i) next[i] = values[(i + 37 + 101) % count] + 1;
    values = next;
  }
  expect(to_host(device_values, count) == values, "values after all rounds");

  // More blocks than fit at the same time would wait for each other for ever.
  int processors = 0;
  check(cudaDeviceGetAttribute(&processors, cudaDevAttrMultiProcessorCount, 0), "attribute");
  const unsigned too_many = processors * blocks_per_multiprocessor + 1;
  expect(cudaLaunchCooperativeKernel(rotate, dim3(too_many), dim3(64), arguments, 0, nullptr) ==
             cudaErrorCooperativeLaunchTooLarge,
         "a grid that does not fit is refused");
  return 0;
}
