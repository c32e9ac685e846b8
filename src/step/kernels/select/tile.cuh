// Scores of one CTA in registers, as integers that compare as the scores do.
#pragma once

#include "step/kernels/select/slice.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace select {

// Four rows of each warp; in the order of positions, the rows of all warps alternate, so that
// whatever the number of keys, warps have equally many.
inline constexpr int kLaneKeys = kRowKeys / 32;  // neighbors
static_assert(kLaneKeys == 4);
inline constexpr int kTileRows = 4;
inline constexpr int kTileRowKeys = kSelectThreads * kLaneKeys;
inline constexpr int kTileKeys = kTileRows * kTileRowKeys;
inline constexpr int kTileScores = kTileRows * kLaneKeys;  // of a lane

struct Tile {
  uint32_t scores[kTileRows][kLaneKeys];  // bits of the floats; ordered, once they are counted
  // A bit for each score: above the candidates, one of them.
  uint32_t above;
  uint32_t candidates;
};

// Position of the lane's i-th score.
__device__ __forceinline__ int own_position(int i) {
  return static_cast<int>(threadIdx.x) * kLaneKeys + i / kLaneKeys * kTileRowKeys + i % kLaneKeys;
}

// Of a row of the warp that begins at or beyond `end`, for all lanes alike.
__device__ __forceinline__ bool is_absent(int row, int end) {
  return static_cast<int>(threadIdx.x) / 32 * kRowKeys + row * kTileRowKeys >= end;
}

// Strong loads: ptxas sinks others below the branch on what an earlier load brings, which makes two
// round trips to memory of one.
__device__ __forceinline__ int load_early(const int* address) {
  int value;
  asm volatile("ld.relaxed.gpu.global.u32 %0, [%1];" : "=r"(value) : "l"(address));
  return value;
}
__device__ __forceinline__ Tile load_tile(const float* scores, int end) {
  Tile tile{};
#pragma unroll
  for (int row = 0; row < kTileRows; ++row) {
    auto& four = tile.scores[row];
    if (own_position(row * kLaneKeys) >= end) continue;
    asm volatile("ld.relaxed.gpu.global.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(four[0]), "=r"(four[1]), "=r"(four[2]), "=r"(four[3])
                 : "l"(scores + own_position(row * kLaneKeys)));
  }
  return tile;
}

// cuda::ordered_bits() in steps, as bins need the first two. NaN is as small as minus infinity, and
// the two zeros are equal.
__device__ __forceinline__ float comparable(uint32_t bits) {
  return fmaxf(__uint_as_float(bits), -INFINITY) + 0.0F;
}
// The bits that turn a float's bits into an integer that compares as the float does.
__device__ __forceinline__ uint32_t order_mask(float score) {
  const auto bits = static_cast<int>(__float_as_uint(score));
  return static_cast<uint32_t>(bits >> 31 | static_cast<int>(0x80000000U));
}
// What no score gives.
inline constexpr uint32_t kAbsent = 0;
__device__ __forceinline__ uint32_t ordered(float score) {
  return __float_as_uint(score) ^ order_mask(score);
}

// What follows the last key in its row of a warp becomes minus infinity, which is never kept, as its
// positions come after those of all keys; rows without a key become absent.
__device__ __forceinline__ void cut_tile(Tile& tile, int end) {
#pragma unroll
  for (int row = 0; row < kTileRows; ++row) {
    if (is_absent(row, end)) {
#pragma unroll
      for (uint32_t& score : tile.scores[row]) score = kAbsent;
    } else if (is_absent(row, end - kRowKeys + 1)) {
#pragma unroll
      for (int i = 0; i < kLaneKeys; ++i) {
        if (own_position(row * kLaneKeys + i) >= end) {
          tile.scores[row][i] = __float_as_uint(-INFINITY);
        }
      }
    }
  }
}

// The lane's i-th score, where i is not known to the compiler: registers have no addresses.
__device__ __forceinline__ uint32_t score_of(const Tile& tile, int i) {
  uint32_t rows[kTileRows];
#pragma unroll
  for (int row = 0; row < kTileRows; ++row) {
    const auto& scores = tile.scores[row];
    const uint32_t low = (i & 1) != 0 ? scores[1] : scores[0];
    const uint32_t high = (i & 1) != 0 ? scores[3] : scores[2];
    rows[row] = (i & 2) != 0 ? high : low;
  }
  const uint32_t low = (i & 4) != 0 ? rows[1] : rows[0];
  const uint32_t high = (i & 4) != 0 ? rows[3] : rows[2];
  return (i & 8) != 0 ? high : low;
}

// visit(i, rank) for the candidates of the lane.
template <class Visit>
__device__ __forceinline__ void visit_candidates(const Tile& tile, const Visit& visit) {
#pragma unroll 1
  for (uint32_t left = tile.candidates; left != 0; left &= left - 1) {
    const int i = __ffs(static_cast<int>(left)) - 1;
    visit(i, rank_of_ordered(score_of(tile, i), own_position(i)));
  }
}

// The candidates: keys whose ranks are at least `begin` and below `end`.
struct Range {
  Rank begin;
  Rank end;
};

// Marks what lies above the candidates and what is one.
__device__ __forceinline__ void classify(Tile& tile, const Range& range) {
  const auto begin = static_cast<uint32_t>(range.begin >> 32);
  const auto end = static_cast<uint32_t>((range.end + 0xffffffffU) >> 32);
  uint32_t above = 0;
  uint32_t reached = 0;
#pragma unroll
  for (int i = 0; i < kTileScores; ++i) {
    const uint32_t score = tile.scores[i / kLaneKeys][i % kLaneKeys];
    if (score >= end) above |= 1U << i;
    if (score >= begin) reached |= 1U << i;
  }
  tile.above = above;
  tile.candidates = reached & ~above;
  // After several rounds the borders may lie between keys of the same score.
  if (static_cast<uint32_t>(range.begin | range.end) == 0) return;
  visit_candidates(tile, [&](int i, Rank rank) {
    if (rank >= range.end) tile.above |= 1U << i;
    if (rank < range.begin || rank >= range.end) tile.candidates &= ~(1U << i);
  });
}

}  // namespace select
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
