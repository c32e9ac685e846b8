// A ring of shared-memory buffers filled by tensor copies, in a cluster of two CTAs: each loads half of every tile and
// multicasts it to both. Each sums up all tiles with weights of its own and stores the sum by a tensor map. All tiles
// have the 128-byte swizzle.
#include <cooperative_groups.h>
#include <cuda.h>
#include <cuda_fp16.h>

#include <cuda/ptx>

#include "program.h"

namespace ptx = cuda::ptx;

constexpr int kThreads = 128;
constexpr int kStages = 3;
constexpr int kCtas = 2;
constexpr int kRows = 32;  // of a tile
constexpr int kColumns = 64;
constexpr int kTile = kRows * kColumns;
constexpr int kChunk = 8;  // halves that a swizzle keeps together

// A function, because ptx:: takes its arguments by reference.
__device__ constexpr unsigned tile_bytes() { return kTile * sizeof(__half); }

struct alignas(1024) Shared {
  __half tiles[kStages][kTile];
  __half result[kTile];
  uint64_t full[kStages];
  uint64_t empty[kStages];
};

__device__ int swizzled(int row, int column) {
  return row * kColumns + ((column / kChunk) ^ (row % 8)) * kChunk + column % kChunk;
}

// Differs from chunk to chunk, so that a chunk in the wrong place is seen.
__host__ __device__ int weight(int rank, int tile, int column) {
  return (rank == 0 ? 1 : tile % 3) * (1 + column / kChunk);
}

__device__ void wait(uint64_t* barrier, unsigned parity) {
  while (!ptx::mbarrier_try_wait_parity(ptx::sem_acquire, ptx::scope_cluster, barrier, parity)) {
  }
}

// Announces the whole tile, and loads this CTA's half of it into both.
__device__ void load(Shared& shared, int stage, const CUtensorMap* map, int tile, int rank) {
  ptx::mbarrier_arrive_expect_tx(ptx::sem_release, ptx::scope_cta, ptx::space_shared,
                                 &shared.full[stage], tile_bytes());
  const int first = rank * kRows / kCtas;
  const int coordinates[2] = {0, tile * kRows + first};
  ptx::cp_async_bulk_tensor(ptx::space_cluster, ptx::space_global,
                            shared.tiles[stage] + first * kColumns, map, coordinates,
                            &shared.full[stage], static_cast<uint16_t>((1 << kCtas) - 1));
}

__global__ void __cluster_dims__(kCtas, 1, 1) __launch_bounds__(kThreads)
    sum_tiles(const __grid_constant__ CUtensorMap in, const __grid_constant__ CUtensorMap out,
              int tiles) {
  extern __shared__ __align__(1024) unsigned char memory[];
  Shared& shared = *reinterpret_cast<Shared*>(memory);
  const auto cluster = cooperative_groups::this_cluster();
  const int rank = static_cast<int>(cluster.block_rank());
  if (threadIdx.x == 0) {
    for (int stage = 0; stage < kStages; ++stage) {
      ptx::mbarrier_init(&shared.full[stage], 1);
      ptx::mbarrier_init(&shared.empty[stage], kCtas);
    }
    ptx::fence_mbarrier_init(ptx::sem_release, ptx::scope_cluster);
  }
  cluster.sync();
  if (threadIdx.x == 0) {
    for (int tile = 0; tile < kStages && tile < tiles; ++tile) load(shared, tile, &in, tile, rank);
  }
  float sums[kTile / kThreads] = {};
  for (int tile = 0; tile < tiles; ++tile) {
    const int stage = tile % kStages;
    const unsigned parity = tile / kStages % 2;
    wait(&shared.full[stage], parity);
    for (int i = 0; i < kTile / kThreads; ++i) {
      const int element = i * kThreads + threadIdx.x;
      const __half value = shared.tiles[stage][swizzled(element / kColumns, element % kColumns)];
      sums[i] += __half2float(value) * weight(rank, tile, element % kColumns);
    }
    __syncthreads();
    // Both CTAs write into this buffer, so both are told that it is free.
    if (threadIdx.x < kCtas) {
      ptx::mbarrier_arrive(ptx::sem_release, ptx::scope_cluster, ptx::space_cluster,
                           cluster.map_shared_rank(&shared.empty[stage], threadIdx.x));
    }
    if (threadIdx.x == 0 && tile + kStages < tiles) {
      wait(&shared.empty[stage], parity);
      load(shared, stage, &in, tile + kStages, rank);
    }
  }
  for (int i = 0; i < kTile / kThreads; ++i) {
    const int element = i * kThreads + threadIdx.x;
    shared.result[swizzled(element / kColumns, element % kColumns)] = __float2half(sums[i]);
  }
  ptx::fence_proxy_async(ptx::space_shared);
  __syncthreads();
  if (threadIdx.x == 0) {
    const int coordinates[3] = {0, 0, rank};
    ptx::cp_async_bulk_tensor(ptx::space_global, ptx::space_shared, &out, coordinates,
                              shared.result);
    ptx::cp_async_bulk_commit_group();
    ptx::cp_async_bulk_wait_group(ptx::n32_t<0>());
  }
  cluster.sync();  // nobody exits while the other may still write to its memory
}

// The driver's function, without linking the driver.
decltype(&cuTensorMapEncodeTiled) encoder() {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult result{};
  check(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000,
                                         cudaEnableDefault, &result),
        "cudaGetDriverEntryPointByVersion");
  expect(result == cudaDriverEntryPointSuccess && function != nullptr,
         "an entry point for cuTensorMapEncodeTiled");
  return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(function);
}

CUtensorMap map_of(__half* memory, const std::vector<cuuint64_t>& size,
                   const std::vector<cuuint32_t>& box) {
  CUtensorMap map{};
  std::vector<cuuint64_t> strides;
  cuuint64_t stride = sizeof(__half);
  for (size_t i = 0; i + 1 < size.size(); ++i) strides.push_back(stride *= size[i]);
  const std::vector<cuuint32_t> steps(size.size(), 1);
  const CUresult result = encoder()(
      &map, CU_TENSOR_MAP_DATA_TYPE_FLOAT16, size.size(), memory, size.data(), strides.data(),
      box.data(), steps.data(), CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
      CU_TENSOR_MAP_L2_PROMOTION_NONE, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  expect(result == CUDA_SUCCESS, "cuTensorMapEncodeTiled");
  return map;
}

int main() {
  constexpr int kTiles = 11;
  constexpr int kInRows = kTiles * kRows - 5;  // the last tile ends outside: zeros
  constexpr int kOutRows = kRows - 3;          // the result's last rows are not stored
  std::vector<__half> values(kInRows * kColumns);
  for (size_t i = 0; i < values.size(); ++i) values[i] = __float2half(static_cast<float>(i % 17));
  std::vector<float> sums(kCtas * kTile, 0.0F);
  for (int rank = 0; rank < kCtas; ++rank) {
    for (size_t i = 0; i < values.size(); ++i) {
      const int tile = static_cast<int>(i) / kTile;
      sums[rank * kTile + i % kTile] +=
          __half2float(values[i]) * weight(rank, tile, static_cast<int>(i) % kColumns);
    }
  }
  __half* in = to_device(values);
  __half* out = device_array<__half>(kCtas * kOutRows * kColumns);
  const CUtensorMap in_map = map_of(in, {kColumns, kInRows}, {kColumns, kRows / kCtas});
  const CUtensorMap out_map = map_of(out, {kColumns, kOutRows, kCtas}, {kColumns, kRows, 1});
  check(
      cudaFuncSetAttribute(sum_tiles, cudaFuncAttributeMaxDynamicSharedMemorySize, sizeof(Shared)),
      "cudaFuncSetAttribute");
  sum_tiles<<<kCtas, kThreads, sizeof(Shared)>>>(in_map, out_map, kTiles);
  check(cudaGetLastError(), "launch");
  const std::vector<__half> found = to_host(out, kCtas * kOutRows * kColumns);
  for (int rank = 0; rank < kCtas; ++rank) {
    for (int i = 0; i < kOutRows * kColumns; ++i) {
      expect(__half2float(found[rank * kOutRows * kColumns + i]) == sums[rank * kTile + i],
             "sums of the tiles");
    }
  }
  return 0;
}
