// Which keys may still be the last one that is kept, and which of those are not kept.
#pragma once

#include "step/kernels/select/bins.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace select {

// A tile that was counted: the one in `tile`, if there is no other.
template <int kWarps>
__device__ __forceinline__ void load_stored(Tile& tile, const ShareOf<kWarps>& share, int index,
                                            const StoredTile* stored) {
  if (share.tiles == 1) return;
#pragma unroll
  for (int row = 0; row < kTileRows; ++row) {
    const bool is_here = share.chunk(index * kTileRows + row) < share.keys;
    const uint4 four = is_here ? stored[index].scores[row][threadIdx.x] : uint4{};
    tile.scores[row][0] = four.x;
    tile.scores[row][1] = four.y;
    tile.scores[row][2] = four.z;
    tile.scores[row][3] = four.w;
    tile.bins[row][0] = is_here ? bins_of(four.x, four.y) : 0;
    tile.bins[row][1] = is_here ? bins_of(four.z, four.w) : 0;
  }
}
__device__ __forceinline__ void store(const Tile& tile, const Share& share, int index,
                                      StoredTile* stored) {
  if (share.tiles == 1) return;
#pragma unroll
  for (int row = 0; row < kTileRows; ++row) {
    const auto& four = tile.scores[row];
    stored[index].scores[row][threadIdx.x] = {four[0], four[1], four[2], four[3]};
  }
}

// Marks by ranks.
template <int kWarps>
__device__ __forceinline__ Marks classify(const Tile& tile, const Range& range,
                                          const ShareOf<kWarps>& share, int first_row) {
  const auto begin = static_cast<uint32_t>(range.begin >> 32);
  const auto end = static_cast<uint32_t>((range.end + 0xffffffffU) >> 32);
  uint32_t above = 0;
  uint32_t reached = 0;
#pragma unroll
  for (int i = 0; i < kTileScores; ++i) {
    if (tile.bins[i / kLaneKeys][0] == 0) continue;
    const uint32_t score =
        cuda::ordered_bits(__uint_as_float(tile.scores[i / kLaneKeys][i % kLaneKeys]));
    if (score >= end) above |= 1U << i;
    if (score >= begin) reached |= 1U << i;
  }
  uint32_t candidates = reached & ~above;
  // The borders may lie between keys of the same score.
  visit(tile, candidates, share, first_row, [&](int i, Rank rank) {
    if (rank < range.begin) reached &= ~(1U << i);
    if (rank < range.begin || rank >= range.end) candidates &= ~(1U << i);
  });
  Marks marks;
#pragma unroll
  for (int row = 0; row < kTileRows; ++row) {
    marks.reached[row] = bytes_of(reached, row);
    marks.candidates[row] = bytes_of(candidates, row);
  }
  return marks;
}

// Splits the candidates up by twelve more bits in which their ranks can differ, while there are
// many. Returns the range that is left; leaves in `found` what is in it and above it.
template <bool kAlone, int kWarps>
__device__ __forceinline__ Range refine(Tile& tile, const ShareOf<kWarps>& share, uint32_t wanted,
                                        const Memory& memory) {
  SelectShared& shared = memory.shared;
  Range range{Rank{begin_of_bin(shared.found.bin)} << 32,
              Rank{begin_of_bin(shared.found.bin + 1)} << 32};
#pragma unroll 1
  for (int round = 1; shared.found.in > kMaxCandidates; ++round) {
    const uint32_t above = shared.found.above;
    const int bits = 64 - __clzll(static_cast<int64_t>(range.end - range.begin - 1));
    const int shift = max(bits - kBinBits, 0);
    if constexpr (!kAlone) cuda::cluster_sync();  // all have read the bins
    __syncthreads();
    clear_bins<ShareOf<kWarps>::kThreads>(shared);
    __syncthreads();
#pragma unroll 1
    for (int index = 0; index < share.tiles; ++index) {
      load_stored(tile, share, index, memory.stored);
      const int first_row = index * kTileRows;
      const Marks marks = classify(tile, range, share, first_row);
      visit(tile, bits_of(marks.candidates), share, first_row, [&](int, Rank rank) {
        atomicAdd(&shared.histogram[(rank - range.begin) >> shift], 1U);
      });
    }
    __syncthreads();
    find_bin<kAlone>(share, wanted - above, round, shared);
    range.begin += Rank{shared.found.bin} << shift;
    range.end = min(range.end, range.begin + (Rank{1} << shift));
    __syncthreads();
    if (threadIdx.x == 0) shared.found.above += above;
    __syncthreads();
  }
  return range;
}

// A lane's candidates, at the end of this CTA's list. Returns where they begin.
template <int kWarps>
__device__ __forceinline__ uint32_t list_candidates(const Tile& tile, uint32_t candidates,
                                                    const ShareOf<kWarps>& share, int first_row,
                                                    SelectShared& shared) {
  if (candidates == 0) return 0;
  // The compiler would first add up what the warp's lanes add.
  uint32_t first;
  asm volatile("atom.shared.add.u32 %0, [%1], %2;"
               : "=r"(first)
               : "r"(cuda::shared_address(&shared.listed)), "r"(__popc(candidates))
               : "memory");
  uint32_t next = first;
  visit(tile, candidates, share, first_row,
        [&](int, Rank rank) { shared.own[next++].rank = rank; });
  return first;
}

// Lists the CTA's candidates in every peer's shared memory, those of the peers before it first.
__device__ __forceinline__ void send_candidates(const Share& share, SelectShared& shared) {
  const uint32_t peer = threadIdx.x & ((1U << share.stripe_bits) - 1);
  if (peer >= static_cast<uint32_t>(share.peers)) return;
#pragma unroll 1
  for (uint32_t i = threadIdx.x >> share.stripe_bits; i < shared.listed;
       i += kSelectThreads >> share.stripe_bits) {
    const Rank rank = shared.own[i].rank;
    send(reinterpret_cast<uint32_t*>(&shared.candidates[shared.found.before + i]),
         static_cast<int>(peer),
         {static_cast<uint32_t>(rank), static_cast<uint32_t>(rank >> 32), 0, 0},
         &shared.kept_arrived);
  }
}

// Ranks this thread's candidate among `count`; all lanes of a warp take part. `lanes` neighbors
// share a candidate.
template <int kLanes>
__device__ __forceinline__ uint32_t count_larger(const Candidate* candidates, int count, Rank own) {
  constexpr int kAtOnce = 4;
  uint32_t larger = 0;
#pragma unroll 1
  for (int first = threadIdx.x % kLanes; first < count; first += kAtOnce * kLanes) {
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      const int index = first + i * kLanes;
      const Rank other = candidates[min(index, count - 1)].rank;
      if (index < count && other > own) ++larger;
    }
  }
#pragma unroll
  for (int distance = 1; distance < kLanes; distance *= 2) {
    larger += __shfl_xor_sync(kAllLanes, larger, distance);
  }
  return larger;
}

// Ranks the candidates among each other and drops those after the `wanted` first.
template <int kLanes>
__device__ __forceinline__ void drop_candidates(uint32_t wanted, const Share& share,
                                                const Memory& memory) {
  SelectShared& shared = memory.shared;
  const Candidate* candidates = shared.candidates;
  const int count = static_cast<int>(shared.found.in);
  if (static_cast<int>(threadIdx.x) / 32 * 32 / kLanes >= count) return;
  const int candidate = static_cast<int>(threadIdx.x) / kLanes;
  const Rank own = candidates[min(candidate, count - 1)].rank;
  const uint32_t larger = count_larger<kLanes>(candidates, count, own);
  if (larger < wanted || candidate >= count || threadIdx.x % kLanes != 0) return;
  const auto index = static_cast<uint32_t>(candidate) - shared.found.before;
  if (index < shared.listed) atomicOr(&shared.dropped[index / 32], 1U << index % 32);
  const int stripe = position_of(own) / kRowKeys;
  const int row = stripe >> share.stripe_bits;
  RowCounts& rows = memory.tiles[row / kTileRows].rows[stripe & ((1 << share.stripe_bits) - 1)];
  atomicSub(row % 2 == 0 ? &rows.even : &rows.odd, 1U << row % kTileRows / 2 * 16);
}
__device__ __forceinline__ void drop_candidates(uint32_t wanted, const Share& share,
                                                const Memory& memory) {
  const uint32_t count = memory.shared.found.in;
  if (count <= kSelectThreads / 16) {
    drop_candidates<16>(wanted, share, memory);
  } else if (count <= kSelectThreads / 4) {
    drop_candidates<4>(wanted, share, memory);
  } else {
    drop_candidates<kSelectThreads / kMaxCandidates>(wanted, share, memory);
  }
}

// Marks the dropped ones among what is staged.
__device__ __forceinline__ void mark_dropped(const Memory& memory) {
  const SelectShared& shared = memory.shared;
  const auto i = threadIdx.x;
  if (i < shared.listed && (shared.dropped[i / 32] >> i % 32 & 1) != 0) {
    const int place = shared.places[i];
    atomicOr(&memory.dropped[place / 32], 1U << place % 32);
  }
}

}  // namespace select
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
