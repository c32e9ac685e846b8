// How many keys fall into which bin, and the bin of the last one that is kept.
#pragma once

#include "step/kernels/select/shared.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace select {

template <int kThreads>
__device__ __forceinline__ void clear_bins(SelectShared& shared) {
  uint4* words = reinterpret_cast<uint4*>(shared.histogram) + threadIdx.x;
#pragma unroll
  for (int i = 0; i < kThreadBins<kThreads> / 4; ++i) words[i * kThreads] = {};
}

// Counts the scores. What follows the last key in its chunk becomes minus infinity, which is never
// kept, as its positions come after those of all keys.
template <int kWarps>
__device__ __forceinline__ void count_scores(Tile& tile, const ShareOf<kWarps>& share,
                                             int first_row, SelectShared& shared) {
  const int rows = share.rows(first_row);
  const int left = share.keys - share.position(first_row + rows - 1);  // in the last of them
#pragma unroll
  for (int row = 0; row < kTileRows; ++row) {
    auto& scores = tile.scores[row];
    tile.bins[row][0] = tile.bins[row][1] = 0;
    if (row >= rows) continue;
    if (row == rows - 1) {
#pragma unroll
      for (int i = 0; i < kLaneKeys; ++i) {
        if (i >= left) scores[i] = __float_as_uint(-INFINITY);
      }
    }
#pragma unroll
    for (int i = 0; i < kLaneKeys; i += 2) {
      const uint32_t bins = bins_of(scores[i], scores[i + 1]);
      atomicAdd(&shared.histogram[bins & 0xffff], 1U);
      atomicAdd(&shared.histogram[bins >> 16], 1U);
      tile.bins[row][i / 2] = bins;
    }
  }
}

// The bins of this thread, the highest first; thread 0 has the highest ones.
template <int kCount>
__device__ __forceinline__ void load_bins(const SelectShared& shared, uint32_t (&counts)[kCount]) {
  const auto* words =
      reinterpret_cast<const uint4*>(shared.histogram + kBins - threadIdx.x * kCount);
#pragma unroll
  for (int i = 0; i < kCount / 4; ++i) {
    const uint4 four = words[-1 - i];
    counts[4 * i] = four.w;
    counts[4 * i + 1] = four.z;
    counts[4 * i + 2] = four.y;
    counts[4 * i + 3] = four.x;
  }
}

// Finds the bin of the `wanted`-th key from the top. After a barrier that follows the counts.
template <int kThreads>
__device__ __forceinline__ void find_own_bin(uint32_t wanted, SelectShared& shared) {
  constexpr int kCount = kThreadBins<kThreads>;
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  uint32_t counts[kCount];
  load_bins(shared, counts);
  uint32_t own = 0;
#pragma unroll
  for (const uint32_t count : counts) own += count;
  const uint32_t prefix = warp_prefix(own);
  if (lane == 31) shared.warp_sums[warp] = prefix;
  __syncthreads();
  const uint32_t before = lane < warp ? shared.warp_sums[lane] : 0;
  const uint32_t sum = __reduce_add_sync(kAllLanes, before) + prefix - own;
  if (sum < wanted && sum + own >= wanted) {
    const auto highest = static_cast<uint32_t>(kBins - 1 - threadIdx.x * kCount);
    FoundBin found{highest, counts[0], sum, 0};
    uint32_t above = sum;
#pragma unroll
    for (int i = 1; i < kCount; ++i) {
      above += counts[i - 1];
      if (above < wanted) found = {highest - i, counts[i], above, 0};
    }
    shared.found = found;
  }
  __syncthreads();
}

// Shows the sums of this CTA's groups of bins to all peers.
__device__ __forceinline__ void send_groups(const Share& share, SelectShared& shared) {
  constexpr int kCount = kThreadBins<kSelectThreads>;
  constexpr int kLanes = kGroupBins / kCount;
  constexpr int kWarpGroups = 32 / kLanes;
  static_assert(kWarpGroups % 4 == 0);
  uint32_t counts[kCount];
  load_bins(shared, counts);
  uint32_t sum = 0;
#pragma unroll
  for (const uint32_t count : counts) sum += count;
#pragma unroll
  for (int distance = 1; distance < kLanes; distance *= 2) {
    sum += __shfl_xor_sync(kAllLanes, sum, distance);
  }
  if (threadIdx.x == 0) {
    cuda::expect_bytes(&shared.groups_arrived, share.peers * kGroups * sizeof(uint32_t));
    cuda::expect_bytes(&shared.bins_arrived, share.peers * kGroupBins * sizeof(uint32_t));
  }
  const int peer = threadIdx.x % 32;
#pragma unroll
  for (int group = 0; group < kWarpGroups; group += 4) {
    const uint4 four{__shfl_sync(kAllLanes, sum, group * kLanes),
                     __shfl_sync(kAllLanes, sum, (group + 1) * kLanes),
                     __shfl_sync(kAllLanes, sum, (group + 2) * kLanes),
                     __shfl_sync(kAllLanes, sum, (group + 3) * kLanes)};
    if (peer >= share.peers) continue;
    send(&shared.groups[share.own][threadIdx.x / 32 * kWarpGroups + group], peer, four,
         &shared.groups_arrived);
  }
}

// One warp: the lane, from lane 0 on, where the running sum after `above` first reaches `wanted`.
// Adds to `above` what lies before that lane.
__device__ __forceinline__ int find_lane(uint32_t count, uint32_t wanted, uint32_t& above) {
  const uint32_t sum = above + warp_prefix(count);
  const int found = __ffs(static_cast<int>(__ballot_sync(kAllLanes, sum >= wanted))) - 1;
  above = __shfl_sync(kAllLanes, sum - count, found);
  return found;
}

// The same of all peers' bins. As many warps as it takes find the group and send this CTA's bins of
// it to all; one adds them up.
__device__ __forceinline__ void find_common_bin(const Share& share, uint32_t wanted, int round,
                                                SelectShared& shared) {
  constexpr int kQuads = kGroupBins / 4;
  constexpr int kWarpPeers = 32 / kQuads;  // that a warp sends to
  static_assert(kSelectWarps * kWarpPeers >= kSelectCluster);
  const int lane = threadIdx.x % 32;
  if (static_cast<int>(threadIdx.x) / 32 * kWarpPeers < share.peers) {
    cuda::wait_barrier(&shared.groups_arrived, round & 1);
    uint2 sums{0, 0};
#pragma unroll
    for (int peer = 0; peer < kSelectCluster; ++peer) {
      if (peer < share.peers) {
        const uint2 pair = reinterpret_cast<const uint2*>(shared.groups[peer])[lane];
        sums.x += pair.x;
        sums.y += pair.y;
      }
    }
    uint32_t above = 0;
    int found = find_lane(sums.x + sums.y, wanted, above);
    const uint32_t first = __shfl_sync(kAllLanes, sums.x, found);
    const bool is_second = above + first < wanted;
    if (is_second) above += first;
    const int lowest = kBins - (found * 2 + (is_second ? 2 : 1)) * kGroupBins;
    const int quad = static_cast<int>(threadIdx.x) % kQuads;
    const int to = static_cast<int>(threadIdx.x) / kQuads;
    if (to < share.peers) {
      const uint4 own = reinterpret_cast<const uint4*>(shared.histogram + lowest)[quad];
      send(&shared.bins[share.own][quad * 4], to, own, &shared.bins_arrived);
    }
    if (threadIdx.x < 32) {
      cuda::wait_barrier(&shared.bins_arrived, round & 1);
      uint2 all{0, 0};
      uint2 before{0, 0};
#pragma unroll
      for (int peer = 0; peer < kSelectCluster; ++peer) {
        if (peer < share.peers) {
          const uint2 pair = reinterpret_cast<const uint2*>(shared.bins[peer])[31 - lane];
          all.x += pair.x;
          all.y += pair.y;
          if (peer < share.own) {
            before.x += pair.x;
            before.y += pair.y;
          }
        }
      }
      found = find_lane(all.x + all.y, wanted, above);
      if (lane == found) {
        const auto low = static_cast<uint32_t>(lowest + 2 * (31 - lane));
        shared.found = above + all.y >= wanted ? FoundBin{low + 1, all.y, above, before.y}
                                               : FoundBin{low, all.x, above + all.y, before.x};
      }
    }
  }
  __syncthreads();
}

// Of the CTA's own bins, or of all peers'. `round` counts how often this is called.
template <bool kAlone, int kWarps>
__device__ __forceinline__ void find_bin(const ShareOf<kWarps>& share, uint32_t wanted, int round,
                                         SelectShared& shared) {
  if constexpr (kAlone) {
    find_own_bin<ShareOf<kWarps>::kThreads>(wanted, shared);
  } else {
    send_groups(share, shared);
    find_common_bin(share, wanted, round, shared);
  }
}

}  // namespace select
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
