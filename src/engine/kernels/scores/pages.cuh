// Pages of index keys against prepared queries.
//
// The warps of a CTA share a page out by keys and by heads: each has the queries of 16 heads in
// registers and multiplies 16 kKeyTiles keys with them. Pages come through a ring in shared memory,
// several on their way at a time.
#pragma once

#include "engine/kernels/scores/queries.cuh"
#include "engine/kernels/support/peers.cuh"

namespace slipstream::engine::kernels {
namespace scores {

inline constexpr int kStages = 4;
inline constexpr int kRowPieces = kIndexWidth / 16;  // of 16 bytes
inline constexpr int kHeadTiles = 2;                 // of 8, of a warp

struct Page {
  uint4 keys[kPageSize][kRowPieces];
  float scales[kPageSize];
};
static_assert(sizeof(Page) == kIndexPageBytes);

struct Shared {
  Page pages[kStages];
  QueryShared queries;
  float sums[2][kMostHeads / 16][kPageSize];  // of even and odd pages, by the heads' quarters
};

// Pages `first` to `end - 1` of a token's sequence.
struct PageRange {
  int token;
  int position;  // of the token
  const int* pages;
  int first;
  int end;
};

// Neighbouring rows have their halves the other way round, so that eight lanes that read two rows
// use all banks.
__device__ __forceinline__ int piece_place(int row, int piece) {
  return piece ^ (row % 2 * (kRowPieces / 2));
}

// Sends for a page; one group of copies, also where there is none.
__device__ __forceinline__ void fetch_page(const ScoreParams& params, const PageRange& range,
                                           int index, Shared& shared) {
  if (index < range.end) {
    Page& target = shared.pages[(index - range.first) % kStages];
    const std::byte* source =
        params.index_cache.get() + std::int64_t{range.pages[index]} * kIndexPageBytes;
    const int row = threadIdx.x / kRowPieces;
    const int place = piece_place(row, threadIdx.x % kRowPieces);
    constexpr int kRows = kThreads / kRowPieces;
#pragma unroll
    for (int i = 0; i < kPageSize / kRows; ++i) {
      copy_16(&target.keys[row + i * kRows][place], source + (threadIdx.x + i * kThreads) * 16);
    }
    constexpr int kScalePieces = kPageSize / 4;
    if (threadIdx.x < kScalePieces) {
      copy_16(&target.scales[threadIdx.x * 4], source + kPageSize * kIndexWidth + threadIdx.x * 16);
    }
  }
  commit_copies();
}

// The queries of the 16 heads of quarter `heads`, as tensor-core operands.
struct Queries {
  std::uint32_t words[kHeadTiles][kWords];
  float weights[kHeadTiles][2];  // of the heads whose products a lane gets

  __device__ void read(const QueryShared& shared, int heads) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int tile = 0; tile < kHeadTiles; ++tile) {
      const int warp = heads * kHeadTiles + tile;
#pragma unroll
      for (int i = 0; i < kWords / 4; ++i) {
        const uint4 four = shared.words[warp][i][lane];
        words[tile][4 * i] = four.x;
        words[tile][4 * i + 1] = four.y;
        words[tile][4 * i + 2] = four.z;
        words[tile][4 * i + 3] = four.w;
      }
      weights[tile][0] = shared.weights[warp * kWarpHeads + lane % 4 * 2];
      weights[tile][1] = shared.weights[warp * kWarpHeads + lane % 4 * 2 + 1];
    }
  }
};

// A lane's codes of one key, 16 of either half, as f16 pairs.
__device__ __forceinline__ void read_key(const Page& page, int row,
                                         std::uint32_t (&words)[kWords]) {
  const int piece = threadIdx.x % 4;
  const uint4 low = page.keys[row][piece_place(row, piece)];
  const uint4 high = page.keys[row][piece_place(row, piece + kRowPieces / 2)];
  const std::uint32_t codes[] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const uint2 pairs = half_pairs(codes[i]);
    words[2 * i] = pairs.x;
    words[2 * i + 1] = pairs.y;
  }
}

// Sums over the warp's heads for keys first_key + lane / 4 and that + 8, scaled: of 16 keys.
__device__ __forceinline__ float2 score_sixteen(const Page& page, int first_key,
                                                const Queries& queries) {
  const int row = first_key + static_cast<int>(threadIdx.x) % 32 / 4;
  std::uint32_t low[kWords];
  std::uint32_t high[kWords];
  read_key(page, row, low);
  read_key(page, row + 8, high);
  float products[kHeadTiles][4] = {};
#pragma unroll
  for (int i = 0; i < kWords; i += 2) {
#pragma unroll
    for (int tile = 0; tile < kHeadTiles; ++tile) {
      multiply_f16(products[tile], make_uint4(low[i], high[i], low[i + 1], high[i + 1]),
                   queries.words[tile][i], queries.words[tile][i + 1]);
    }
  }
  float2 sum = {0, 0};
#pragma unroll
  for (int tile = 0; tile < kHeadTiles; ++tile) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      sum.x += queries.weights[tile][i] * fmaxf(products[tile][i], 0.0F);
      sum.y += queries.weights[tile][i] * fmaxf(products[tile][2 + i], 0.0F);
    }
  }
#pragma unroll
  for (int distance = 1; distance < 4; distance *= 2) {
    sum.x += __shfl_xor_sync(kAllLanes, sum.x, distance);
    sum.y += __shfl_xor_sync(kAllLanes, sum.y, distance);
  }
  return {sum.x * page.scales[row], sum.y * page.scales[row + 8]};
}

// Adds up what the warps have of a page's keys, and writes it.
template <int kHeadParts>
__device__ __forceinline__ void store_page(const ScoreParams& params, const PageRange& range,
                                           int index, const Shared& shared) {
  if (threadIdx.x >= kPageSize) return;
  const int position = index * kPageSize + static_cast<int>(threadIdx.x);
  if (position > range.position) return;
  float sum = 0;
#pragma unroll
  for (int part = 0; part < kHeadParts; ++part) sum += shared.sums[index % 2][part][threadIdx.x];
  params.scores.get()[range.token * params.score_stride + position] = sum;
}

// The keys of a range of pages, whose first kStages - 1 have been sent for, with the queries that
// lie prepared.
template <int kHeadParts>
__device__ __forceinline__ void score_pages(const ScoreParams& params, const PageRange& range,
                                            Shared& shared) {
  constexpr int kKeyParts = kWarps / kHeadParts;
  constexpr int kKeys = kPageSize / kKeyParts;
  const int lane = threadIdx.x % 32;
  const int heads = static_cast<int>(threadIdx.x) / 32 % kHeadParts;
  const int first_key = static_cast<int>(threadIdx.x) / 32 / kHeadParts * kKeys;
  Queries queries;
  queries.read(shared.queries, heads);
  for (int index = range.first; index < range.end; ++index) {
    wait_copies<kStages - 2>();
    __syncthreads();  // and all have used the page and the sums before
    if (index > range.first) store_page<kHeadParts>(params, range, index - 1, shared);
    fetch_page(params, range, index + kStages - 1, shared);
    const Page& page = shared.pages[(index - range.first) % kStages];
#pragma unroll
    for (int tile = 0; tile < kKeys / 16; ++tile) {
      const int key = first_key + tile * 16;
      const float2 sums = score_sixteen(page, key, queries);
      if (lane % 4 != 0) continue;
      shared.sums[index % 2][heads][key + lane / 4] = sums.x;
      shared.sums[index % 2][heads][key + lane / 4 + 8] = sums.y;
    }
  }
  __syncthreads();
  store_page<kHeadParts>(params, range, range.end - 1, shared);
  wait_copies();
}

}  // namespace scores
}  // namespace slipstream::engine::kernels
