// A histogram whose bins are spread over the shared memory of a cluster of blocks.
#include <cooperative_groups.h>

#include "program.h"

namespace cg = cooperative_groups;

constexpr int kClusterSize = 4;
constexpr int kBinsPerBlock = 32;
constexpr int kBins = kClusterSize * kBinsPerBlock;

__global__ void histogram(const unsigned* values, int count, unsigned* bins) {
  __shared__ unsigned own[kBinsPerBlock];
  const cg::cluster_group cluster = cg::this_cluster();
  if (threadIdx.x < kBinsPerBlock) own[threadIdx.x] = 0;
  cluster.sync();  // no block may add to bins that are not cleared yet
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < count; i += gridDim.x * blockDim.x) {
    const unsigned bin = values[i] % kBins;
    unsigned* remote = cluster.map_shared_rank(own, bin / kBinsPerBlock);
    atomicAdd(&remote[bin % kBinsPerBlock], 1U);
  }
  cluster.sync();  // nor leave while others still add to its own
  if (threadIdx.x < kBinsPerBlock) {
    atomicAdd(&bins[cluster.block_rank() * kBinsPerBlock + threadIdx.x], own[threadIdx.x]);
  }
}

int main() {
  constexpr int kCount = 10007;
  const std::vector<unsigned> values = scrambled(kCount);
  const unsigned* in = to_device(values);
  unsigned* bins = to_device(std::vector<unsigned>(kBins, 0));
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeClusterDimension;
  attribute.val.clusterDim = {kClusterSize, 1, 1};
  cudaLaunchConfig_t configuration{};
  configuration.gridDim = dim3(2 * kClusterSize);
  configuration.blockDim = dim3(128);
  configuration.attrs = &attribute;
  configuration.numAttrs = 1;
  check(cudaLaunchKernelEx(&configuration, histogram, in, kCount, bins), "launch");
  std::vector<unsigned> expected(kBins, 0);
  for (const unsigned value : values) ++expected[value % kBins];
  expect(to_host(bins, kBins) == expected, "histogram");

  configuration.gridDim = dim3(kClusterSize + 1);
  const cudaError_t refused = cudaLaunchKernelEx(&configuration, histogram, in, kCount, bins);
  expect(refused == cudaErrorInvalidClusterSize || refused == cudaErrorInvalidConfiguration,
         "a grid that the cluster does not divide is refused");
  return 0;
}
