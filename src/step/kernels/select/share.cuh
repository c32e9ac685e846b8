// Which keys are whose, and how they rank.
#pragma once

#include <cuda_fp16.h>

#include <bit>

#include "cuda/peers.cuh"
#include "cuda/radix.cuh"
#include "step/kernels/select/params.h"
#include "step/kernels/support/lanes.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

inline constexpr int kSelectThreads = 512;  // of a CTA that may share a token's keys with others
inline constexpr int kSelectWarps = kSelectThreads / 32;
inline constexpr int kSelectCluster = 16;  // CTAs at most
inline constexpr int kLoneThreads = 1024;  // of a CTA that has all keys in any case
inline constexpr int kLoneWarps = kLoneThreads / 32;

namespace select {

// Where a key stands among all keys of its token: by score, then lower positions first. No two
// keys are equal.
using Rank = uint64_t;
__device__ __forceinline__ Rank rank_of(uint32_t ordered_score, int position) {
  return Rank{ordered_score} << 32 | (0xffffffffU - static_cast<unsigned>(position));
}
__device__ __forceinline__ int position_of(Rank rank) {
  return static_cast<int>(0xffffffffU - static_cast<uint32_t>(rank));
}

inline constexpr int kLaneKeys = 4;                // neighbors
inline constexpr int kChunkKeys = 32 * kLaneKeys;  // of a warp, neighbors too
inline constexpr int kTileRows = 4;
inline constexpr int kTileScores = kTileRows * kLaneKeys;  // of a lane

// The CTAs that share a token take rows in turn, a tile of four after the other: whatever the
// number of keys, all have equally many.
template <int kCtaWarps>
struct ShareOf {
  static constexpr int kWarps = kCtaWarps;
  static constexpr int kThreads = kWarps * 32;
  static constexpr int kRowKeys = kWarps * kChunkKeys;
  static constexpr int kRowBits = std::countr_zero(static_cast<unsigned>(kRowKeys));
  static_assert(kRowKeys == 1 << kRowBits);
  static constexpr int kTileKeys = kTileRows * kRowKeys;

  int keys;
  int stripe_bits = 0;  // rows are dealt out to one CTA, or to the cluster
  int own = 0;
  int peers = 1;  // CTAs that get any
  int tiles = 1;

  // Of one CTA that has all.
  __device__ explicit ShareOf(int keys) : keys(keys) {}
  __device__ ShareOf(int keys, int cluster_bits, int own)
      : keys(keys),
        stripe_bits(cluster_bits),
        own(own),
        peers(min(1 << cluster_bits, (keys + kRowKeys - 1) / kRowKeys)),
        tiles((keys + (kTileKeys << cluster_bits) - 1) / kTileKeys >> cluster_bits) {}

  // First position of the warp's chunk.
  __device__ int chunk(int row) const {
    const int stripe = (row << stripe_bits) + own;
    return (stripe * kWarps + static_cast<int>(threadIdx.x) / 32) * kChunkKeys;
  }
  __device__ int position(int row) const {
    return chunk(row) + static_cast<int>(threadIdx.x) % 32 * kLaneKeys;
  }
  // From a row's positions to the next one's.
  __device__ int row_step() const { return kRowKeys << stripe_bits; }
  // How many rows of a tile the warp has keys in.
  __device__ int rows(int first_row) const {
    const int left = keys - chunk(first_row) + row_step() - 1;
    return min(max(left >> (kRowBits + stripe_bits), 0), kTileRows);
  }
};

using Share = ShareOf<kSelectWarps>;
inline constexpr int kRowKeys = Share::kRowKeys;
inline constexpr int kTileKeys = Share::kTileKeys;
inline constexpr int kLoneKeys = ShareOf<kLoneWarps>::kTileKeys;

}  // namespace select
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
