// What the CTAs that select have in shared memory.
#pragma once

#include "step/kernels/select/tile.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace select {

template <int kThreads>
inline constexpr int kThreadBins = kBins / kThreads;
inline constexpr int kGroupBins = 64;
inline constexpr int kGroups = kBins / kGroupBins;
inline constexpr int kMaxCandidates = 256;

// The bin of the last kept key: keys in it, in the bins above it, and in it of the peers before.
struct alignas(16) FoundBin {
  uint32_t bin;
  uint32_t in;
  uint32_t above;
  uint32_t before;
};

// Counts of four rows, 16 bits each.
struct alignas(16) RowCounts {
  uint32_t even;
  uint32_t odd;
  __device__ int of(int row) const {
    return static_cast<int>((row % 2 == 0 ? even : odd) >> row / 2 * 16 & 0xffff);
  }
  __device__ int sum() const { return of(0) + of(1) + of(2) + of(3); }
};

// As much as goes to a peer at a time.
struct alignas(16) Candidate {
  Rank rank;
};

struct alignas(16) SelectShared {
  uint32_t histogram[kBins];
  uint32_t groups[kSelectCluster][kGroups];   // of all peers, the highest bins first
  uint32_t bins[kSelectCluster][kGroupBins];  // of the group, the lowest first
  uint64_t groups_arrived;
  uint64_t bins_arrived;
  uint64_t kept_arrived;
  uint32_t warp_sums[kLoneWarps];
  FoundBin found;
  uint32_t listed;                        // candidates of this CTA
  uint32_t dropped[kMaxCandidates / 32];  // a bit for each of them
  int places[kMaxCandidates];             // of them, among what is staged
  bool after[kMaxCandidates];             // all that are kept, in a CTA that shares with no other
  Candidate own[kMaxCandidates];
  Candidate candidates[kMaxCandidates];  // of all peers
};

__device__ __forceinline__ void make_barriers(SelectShared& shared) {
  cuda::initialize_barrier(&shared.groups_arrived, 1);
  cuda::initialize_barrier(&shared.bins_arrived, 1);
  cuda::initialize_barrier(&shared.kept_arrived, 1);
  cuda::publish_barriers();
}

// For each tile.
struct alignas(16) TileShared {
  uint32_t warps[kLoneWarps];      // keys that each warp stages, a byte for each row
  RowCounts rows[kSelectCluster];  // that each peer keeps
};
// For each tile, if there are several.
struct alignas(16) StoredTile {
  uint4 scores[kTileRows][kSelectThreads];
};

// What a CTA stages of a tile begins at a whole word of bits.
SLIPSTREAM_HOST_DEVICE constexpr int most_staged(int index_topk, int tiles) {
  return (index_topk + kMaxCandidates + 32 * tiles + 31) / 32 * 32;
}
// A bit for each, read in as many words at a time as there are warps.
SLIPSTREAM_HOST_DEVICE constexpr int dropped_words(int index_topk, int tiles) {
  return most_staged(index_topk, tiles) / 32 + kSelectWarps;
}

// Four words into a peer's shared memory, counted on the peer's barrier.
__device__ __forceinline__ void send(uint32_t* words, int peer, uint4 four, uint64_t* arrived) {
  cuda::store_async_16(cuda::remote_address(words, peer),
                       {__uint_as_float(four.x), __uint_as_float(four.y), __uint_as_float(four.z),
                        __uint_as_float(four.w)},
                       cuda::remote_address(arrived, peer));
}

struct Memory {
  SelectShared& shared;
  TileShared* tiles;
  uint32_t* dropped;  // a bit for each of those staged
  int* staged;        // slots of keys in the border's bin or above, in the order of positions
  StoredTile* stored;

  __device__ Memory(unsigned char* dynamic, int index_topk, int most_tiles)
      : shared(*reinterpret_cast<SelectShared*>(dynamic)) {
    const int words = most_staged(index_topk, most_tiles);
    tiles = reinterpret_cast<TileShared*>(&shared + 1);
    stored = reinterpret_cast<StoredTile*>(tiles + most_tiles);
    staged = reinterpret_cast<int*>(most_tiles > 1 ? stored + most_tiles : stored);
    dropped = reinterpret_cast<uint32_t*>(staged + words);
  }
};
inline size_t shared_bytes(int index_topk, int tiles) {
  const size_t of_tile = sizeof(TileShared) + (tiles > 1 ? sizeof(StoredTile) : 0);
  const int words = most_staged(index_topk, tiles) + dropped_words(index_topk, tiles);
  return sizeof(SelectShared) + tiles * of_tile + words * 4;
}

}  // namespace select
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
