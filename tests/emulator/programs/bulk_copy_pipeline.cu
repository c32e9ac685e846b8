// A ring of shared-memory buffers filled by bulk copies: one thread copies, mbarriers say when a
// buffer is full and when it is free again, a bulk copy brings the results back.
#include <cuda/ptx>

#include "program.h"

namespace ptx = cuda::ptx;

constexpr int kThreads = 128;
constexpr int kStages = 3;
constexpr int kTile = 512;  // floats

// A function, because ptx:: takes its arguments by reference.
__device__ constexpr unsigned tile_bytes() { return kTile * sizeof(float); }

struct Shared {
  alignas(128) float tiles[kStages][kTile];
  alignas(128) float result[kTile];
  uint64_t full[kStages];
  uint64_t empty[kStages];
};

__device__ void wait(uint64_t* barrier, unsigned parity) {
  while (!ptx::mbarrier_try_wait_parity(barrier, parity)) {
  }
}

__device__ void load(Shared& shared, int stage, const float* source) {
  ptx::mbarrier_arrive_expect_tx(ptx::sem_release, ptx::scope_cta, ptx::space_shared,
                                 &shared.full[stage], tile_bytes());
  ptx::cp_async_bulk(ptx::space_cluster, ptx::space_global, shared.tiles[stage], source,
                     tile_bytes(), &shared.full[stage]);
}

// Adds up `tiles` tiles, element by element.
__global__ void __launch_bounds__(kThreads) sum_tiles(const float* in, int tiles, float* out) {
  __shared__ Shared shared;
  if (threadIdx.x == 0) {
    for (int stage = 0; stage < kStages; ++stage) {
      ptx::mbarrier_init(&shared.full[stage], 1);
      ptx::mbarrier_init(&shared.empty[stage], kThreads);
    }
    ptx::fence_mbarrier_init(ptx::sem_release, ptx::scope_cluster);
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int tile = 0; tile < kStages && tile < tiles; ++tile)
      load(shared, tile, in + tile * kTile);
  }
  float sums[kTile / kThreads] = {};
  for (int tile = 0; tile < tiles; ++tile) {
    const int stage = tile % kStages;
    const unsigned parity = tile / kStages % 2;
    wait(&shared.full[stage], parity);
    for (int i = 0; i < kTile / kThreads; ++i) {
      sums[i] += shared.tiles[stage][i * kThreads + threadIdx.x];
    }
    ptx::mbarrier_arrive(&shared.empty[stage]);
    if (threadIdx.x == 0 && tile + kStages < tiles) {
      wait(&shared.empty[stage], parity);
      load(shared, stage, in + (tile + kStages) * kTile);
    }
  }
  for (int i = 0; i < kTile / kThreads; ++i) shared.result[i * kThreads + threadIdx.x] = sums[i];
  ptx::fence_proxy_async(ptx::space_shared);
  __syncthreads();
  if (threadIdx.x == 0) {
    ptx::cp_async_bulk(ptx::space_global, ptx::space_shared, out, shared.result, tile_bytes());
    ptx::cp_async_bulk_commit_group();
    ptx::cp_async_bulk_wait_group(ptx::n32_t<0>());
  }
}

int main() {
  constexpr int kTiles = 11;
  std::vector<float> values(kTiles * kTile);
  std::vector<float> expected(kTile, 0.0F);
  for (int i = 0; i < kTiles * kTile; ++i) {
    values[i] = static_cast<float>(i % 97);
    expected[i % kTile] += values[i];
  }
  const float* in = to_device(values);
  float* out = device_array<float>(kTile);
  sum_tiles<<<1, kThreads>>>(in, kTiles, out);
  check(cudaGetLastError(), "launch");
  expect(to_host(out, kTile) == expected, "sums of the tiles");
  return 0;
}
