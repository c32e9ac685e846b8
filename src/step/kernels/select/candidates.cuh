// Which keys may still be the last one that is kept, and the histograms that narrow them down.
#pragma once

#include "step/kernels/select/slice.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace select {

inline constexpr int kBins = 2048;
inline constexpr int kBinBits = 11;
inline constexpr int kGroupBins = 32;
inline constexpr int kGroups = kBins / kGroupBins;
inline constexpr int kMaxCandidates = 128;

struct Peers {
  int count;  // CTAs that share the token
  int own;
};

// Keys of all peers, and of the peers before this one.
struct Counts {
  uint32_t all;
  uint32_t before;
};

// Zero before; only what is counted up need be.
struct alignas(16) SelectShared {
  uint32_t histogram[kBins];
  uint32_t groups[kGroups];
  // Of each peer's finite scores, as ordered bits; and of each warp's.
  uint32_t smallest[kSelectCluster];
  uint32_t largest[kSelectCluster];
  uint32_t warp_smallest[kSelectWarps];
  uint32_t warp_largest[kSelectWarps];
  // The bin of the last kept key: keys in it, and in the bins above it.
  uint32_t bin;
  Counts in_bin;
  Counts above_bin;
  uint32_t own_candidates;
  uint32_t kept[kSelectWarps];  // keys that each warp keeps
  uint32_t kept_before;         // that the CTAs before this one keep
  Rank border;
  Rank own[kMaxCandidates];
  Rank candidates[kMaxCandidates];  // of all peers
};

__device__ __forceinline__ void sync(const Peers& peers) {
  if (peers.count == 1) {
    __syncthreads();
  } else {
    cuda::cluster_sync();
  }
}

// Keys whose score is in `bin` of the even split and whose rank begins with `prefix`.
struct Candidates {
  float lowest;  // of the even split
  float bins_per_score;
  int bin = -1;  // -1: all
  int shift = 64;
  Rank prefix = 0;

  // Monotonic, whatever the score: -inf falls into the first bin and inf into the last, or both
  // into the first.
  __device__ float place_of(float score) const { return (score - lowest) * bins_per_score; }
  __device__ uint32_t bin_of(float score) const {
    return min(__float2uint_rz(place_of(score)), kBins - 1U);  // NaN gives 0
  }
  // Below 0, 0 and above 0: ranks below the candidates, is one, ranks above.
  __device__ int compare(float score, int position) const {
    const int difference = bin < 0 ? 0 : static_cast<int>(bin_of(score)) - bin;
    if (difference != 0 || shift == 64) return difference;
    const Rank digits = rank_of(score, position) >> shift;
    return digits == prefix ? 0 : digits < prefix ? -1 : 1;
  }
};

// Makes the scores comparable as floats, in place: NaN becomes -inf, which it ranks with, and the
// negative zero the positive. Returns the even split of the finite scores of all peers.
__device__ __forceinline__ Candidates split_evenly(const Slice& slice, const Peers& peers,
                                                   SelectShared& shared) {
  float smallest = INFINITY;
  float largest = -INFINITY;
  visit_scores(slice, [&](Four& four) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      float& score = four.scores[i];
      score = isnan(score) ? -INFINITY : score + 0.0F;
      const bool counts = i < four.present && fabsf(score) < INFINITY;
      smallest = fminf(smallest, counts ? score : INFINITY);
      largest = fmaxf(largest, counts ? score : -INFINITY);
    }
    if (four.present <= 0) return;
    *reinterpret_cast<float4*>(slice.scores + four.index) = {four.scores[0], four.scores[1],
                                                             four.scores[2], four.scores[3]};
  });
  uint32_t low = __reduce_min_sync(kAllLanes, cuda::ordered_bits(smallest));
  uint32_t high = __reduce_max_sync(kAllLanes, cuda::ordered_bits(largest));
  const int lane = threadIdx.x % 32;
  if (lane == 0) {
    shared.warp_smallest[threadIdx.x / 32] = low;
    shared.warp_largest[threadIdx.x / 32] = high;
  }
  __syncthreads();
  low = __reduce_min_sync(kAllLanes, shared.warp_smallest[lane % kSelectWarps]);
  high = __reduce_max_sync(kAllLanes, shared.warp_largest[lane % kSelectWarps]);
  if (peers.count > 1) {
    if (static_cast<int>(threadIdx.x) < peers.count) {
      cuda::store_to(shared.smallest[peers.own], threadIdx.x, low);
      cuda::store_to(shared.largest[peers.own], threadIdx.x, high);
    }
    cuda::cluster_sync();
    const int peer = min(lane, peers.count - 1);
    low = __reduce_min_sync(kAllLanes, shared.smallest[peer]);
    high = __reduce_max_sync(kAllLanes, shared.largest[peer]);
  }
  Candidates candidates{0, 0};
  if (low < high) {
    candidates.lowest = cuda::from_ordered_bits(low);
    candidates.bins_per_score =
        __fdividef(static_cast<float>(kBins), cuda::from_ordered_bits(high) - candidates.lowest);
  }
  return candidates;
}

// Sums of this CTA's histogram over groups of bins. After a barrier.
__device__ __forceinline__ void sum_groups(SelectShared& shared) {
  constexpr int kGroupsPerWarp = kGroups / kSelectWarps;
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int i = 0; i < kGroupsPerWarp; ++i) {
    const int group = static_cast<int>(threadIdx.x) / 32 * kGroupsPerWarp + i;
    const uint32_t sum = __reduce_add_sync(kAllLanes, shared.histogram[group * kGroupBins + lane]);
    if (lane == 0) shared.groups[group] = sum;
  }
}

// `count` in every peer's shared memory; all loads are on their way at once.
__device__ __forceinline__ Counts count_over_peers(const uint32_t& count, const Peers& peers) {
  if (peers.count == 1) return {count, 0};
  uint32_t counts[kSelectCluster];
#pragma unroll
  for (int peer = 0; peer < kSelectCluster; ++peer) {
    // slipstream-check: allow R14: where there are peers, collect() follows, with a cluster barrier
    counts[peer] = cuda::load_from(count, min(peer, peers.count - 1));
  }
  Counts sums{0, 0};
#pragma unroll
  for (int peer = 0; peer < kSelectCluster; ++peer) {
    if (peer < peers.count) sums.all += counts[peer];
    if (peer < peers.own) sums.before += counts[peer];
  }
  return sums;
}

__device__ __forceinline__ uint32_t warp_prefix(uint32_t value) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int distance = 1; distance < 32; distance *= 2) {
    const uint32_t other = __shfl_up_sync(kAllLanes, value, distance);
    if (lane >= distance) value += other;
  }
  return value;
}

// One warp: the lane, from lane 0 on, where the running sum after above.all first reaches
// `wanted`. Adds to `above` what lies before that lane.
__device__ __forceinline__ int find_lane(const Counts& counts, uint32_t wanted, Counts& above) {
  const uint32_t sum = above.all + warp_prefix(counts.all);
  const int found = __ffs(static_cast<int>(__ballot_sync(kAllLanes, sum >= wanted))) - 1;
  above.all = __shfl_sync(kAllLanes, sum - counts.all, found);
  const bool lies_before = static_cast<int>(threadIdx.x) % 32 < found;
  above.before += __reduce_add_sync(kAllLanes, lies_before ? counts.before : 0);
  return found;
}

__device__ __forceinline__ Counts from_lane(const Counts& counts, int lane) {
  return {__shfl_sync(kAllLanes, counts.all, lane), __shfl_sync(kAllLanes, counts.before, lane)};
}

// The first warp finds the bin of the `wanted`-th key from the top in all peers' histograms.
__device__ __forceinline__ void find_bin(uint32_t wanted, const Peers& peers,
                                         SelectShared& shared) {
  if (threadIdx.x < 32) {
    const int lane = threadIdx.x;
    const Counts high = count_over_peers(shared.groups[kGroups - 1 - 2 * lane], peers);
    const Counts low = count_over_peers(shared.groups[kGroups - 2 - 2 * lane], peers);
    Counts above{0, 0};
    const int pair = find_lane({high.all + low.all, high.before + low.before}, wanted, above);
    const Counts high_of_pair = from_lane(high, pair);
    const bool is_low = above.all + high_of_pair.all < wanted;
    if (is_low) above = {above.all + high_of_pair.all, above.before + high_of_pair.before};
    const int group = kGroups - 1 - 2 * pair - (is_low ? 1 : 0);

    const int last_bin = group * kGroupBins + kGroupBins - 1;
    const Counts counts = count_over_peers(shared.histogram[last_bin - lane], peers);
    const int found = find_lane(counts, wanted, above);
    if (lane == found) {
      shared.bin = last_bin - lane;
      shared.in_bin = counts;
      shared.above_bin = above;
    }
  }
  __syncthreads();
}

}  // namespace select
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
