// Pages of index keys against prepared queries.
//
// The warps of a CTA share a page out by keys and by heads: each has the queries of 16 heads in
// registers and multiplies 16 kKeyTiles keys with them. Pages come through a ring in shared memory,
// several on their way at a time.
#pragma once

#include "cuda/peers.cuh"
#include "step/kernels/scores/queries.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
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
  float sums[2][kMaxHeads / 16][kPageSize];  // of even and odd pages, by the heads' quarters
};

// Pages `first` to `end - 1` of a token's sequence.
struct PageRange {
  int token;
  int position;  // of the token
  const int* pages;
  int first;
  int end;
};

// Neighboring rows have their halves the other way round, so that eight lanes that read two rows
// use all banks.
__device__ __forceinline__ int piece_place(int row, int piece) {
  return piece ^ (row % 2 * (kRowPieces / 2));
}

// The page in the caches; read well before it is needed.
__device__ __forceinline__ int page_at(const PageRange& range, int index) {
  return range.pages[min(index, range.end - 1)];
}

// Sends for a page; one group of copies, also where there is none.
__device__ __forceinline__ void fetch_page(const ScoreParams& params, const PageRange& range,
                                           int index, int page, Shared& shared) {
  if (index < range.end) {
    Page& target = shared.pages[(index - range.first) % kStages];
    const std::byte* source = params.index_cache.get() + int64_t{page} * kIndexPageBytes;
    const int row = threadIdx.x / kRowPieces;
    const int place = piece_place(row, threadIdx.x % kRowPieces);
    constexpr int kRows = kThreads / kRowPieces;
#pragma unroll
    for (int i = 0; i < kPageSize / kRows; ++i) {
      cuda::copy_16(&target.keys[row + i * kRows][place],
                    source + (threadIdx.x + i * kThreads) * 16);
    }
    constexpr int kScalePieces = kPageSize / 4;
    if (threadIdx.x < kScalePieces) {
      cuda::copy_16(&target.scales[threadIdx.x * 4],
                    source + kPageSize * kIndexWidth + threadIdx.x * 16);
    }
  }
  cuda::commit_copies();
}

// The queries of the 16 heads of quarter `heads`, as tensor-core operands.
struct Queries {
  uint32_t words[kHeadTiles][kWords];
  float weights[kHeadTiles][2];  // of the heads whose products a lane gets

  __device__ void read(const QueryShared& shared, int heads) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int tile = 0; tile < kHeadTiles; ++tile) {
      const int warp = heads * kHeadTiles + tile;
#pragma unroll
      for (int i = 0; i < kWords / 4; ++i) {
        const uint4 four = shared.words[warp][i][lane];
        cuda::split_words(four, words[tile] + 4 * i);
      }
      weights[tile][0] = shared.weights[warp * kWarpHeads + lane % 4 * 2];
      weights[tile][1] = shared.weights[warp * kWarpHeads + lane % 4 * 2 + 1];
    }
  }
};

// Sums over the warp's heads, scaled, of 16 keys per tile: keys 16 tile + lane / 4 and that + 8.
template <int kTiles>
using KeySums = float[kTiles][2];

// A lane has 16 columns of either half of its keys.
template <int kTiles>
__device__ __forceinline__ void multiply_keys(const Page& page, int first_key,
                                              const Queries& queries,
                                              float (&products)[kTiles][kHeadTiles][4]) {
  const int first_row = first_key + static_cast<int>(threadIdx.x) % 32 / 4;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int piece = half * (kRowPieces / 2) + static_cast<int>(threadIdx.x) % 4;
    uint4 codes[kTiles][2];
#pragma unroll
    for (int tile = 0; tile < kTiles; ++tile) {
#pragma unroll
      for (int r = 0; r < 2; ++r) {
        const int row = first_row + tile * 16 + r * 8;
        codes[tile][r] = page.keys[row][piece_place(row, piece)];
      }
    }
#pragma unroll
    for (int step = 0; step < 4; ++step) {
      const int word = half * (kWords / 2) + step * 2;
#pragma unroll
      for (int tile = 0; tile < kTiles; ++tile) {
        const uint2 low = half_pairs((&codes[tile][0].x)[step]);
        const uint2 high = half_pairs((&codes[tile][1].x)[step]);
#pragma unroll
        for (int heads = 0; heads < kHeadTiles; ++heads) {
          cuda::multiply_f16(products[tile][heads], make_uint4(low.x, high.x, low.y, high.y),
                             queries.words[heads][word], queries.words[heads][word + 1]);
        }
      }
    }
  }
}

template <int kTiles>
__device__ __forceinline__ void score_keys(const Page& page, int first_key, const Queries& queries,
                                           KeySums<kTiles>& sums) {
  float products[kTiles][kHeadTiles][4] = {};
  multiply_keys<kTiles>(page, first_key, queries, products);
#pragma unroll
  for (int tile = 0; tile < kTiles; ++tile) {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      float sum = 0;
#pragma unroll
      for (int heads = 0; heads < kHeadTiles; ++heads) {
        sum += queries.weights[heads][0] * fmaxf(products[tile][heads][2 * r], 0.0F);
        sum += queries.weights[heads][1] * fmaxf(products[tile][heads][2 * r + 1], 0.0F);
      }
      sum += __shfl_xor_sync(kAllLanes, sum, 1);
      sum += __shfl_xor_sync(kAllLanes, sum, 2);
      const int row = first_key + tile * 16 + static_cast<int>(threadIdx.x) % 32 / 4 + r * 8;
      sums[tile][r] = sum * page.scales[row];
    }
  }
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
  int next_page = page_at(range, range.first + kStages - 1);
  for (int index = range.first; index < range.end; ++index) {
    cuda::wait_copies<kStages - 2>();
    __syncthreads();  // and all have used the page and the sums before
    if (index > range.first) store_page<kHeadParts>(params, range, index - 1, shared);
    fetch_page(params, range, index + kStages - 1, next_page, shared);
    next_page = page_at(range, index + kStages);
    KeySums<kKeys / 16> sums;
    score_keys<kKeys / 16>(shared.pages[(index - range.first) % kStages], first_key, queries, sums);
    if (lane % 4 != 0) continue;
#pragma unroll
    for (int tile = 0; tile < kKeys / 16; ++tile) {
      float* target = &shared.sums[index % 2][heads][first_key + tile * 16 + lane / 4];
      target[0] = sums[tile][0];
      target[8] = sums[tile][1];
    }
  }
  __syncthreads();
  store_page<kHeadParts>(params, range, range.end - 1, shared);
  cuda::wait_copies();
}

}  // namespace scores
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
