// The rank of the last key that a token keeps, found by the CTAs that share the token's keys.
#pragma once

#include "engine/kernels/select/slice.cuh"

namespace slipstream::engine::kernels {
namespace select {

inline constexpr int kBins = 2048;
inline constexpr int kBinBits = 11;
inline constexpr int kGroupBins = 32;
inline constexpr int kGroups = kBins / kGroupBins;
inline constexpr int kMostCandidates = 128;
inline constexpr int kLanesPerCandidate = kSelectThreads / kMostCandidates;

struct Peers {
  int count;  // CTAs that share the token
  int own;
};

// What a CTA tells the others about its slice.
struct Report {
  std::uint32_t candidates;
  std::uint32_t above;  // keys that rank above all candidates
};

struct alignas(16) SelectShared {
  std::uint32_t histogram[kBins];
  std::uint32_t groups[kGroups];
  // Of this CTA's scores, as ordered bits; and of each peer's.
  std::uint32_t smallest;
  std::uint32_t largest;
  std::uint32_t smallest_of[kSelectCluster];
  std::uint32_t largest_of[kSelectCluster];
  // The bin of the last kept key: keys in it, and in the bins above it.
  std::uint32_t bin;
  std::uint32_t in_bin;
  std::uint32_t above_bin;
  Report reports[kSelectCluster];
  std::uint32_t kept[kSelectWarps];  // keys that each warp keeps
  std::uint32_t kept_before;         // that the CTAs before this one keep
  Rank border;
  Rank candidates[kSelectCluster][kMostCandidates];
};

__device__ __forceinline__ void prepare(SelectShared& shared) {
  for (int i = threadIdx.x; i < kBins; i += kSelectThreads) shared.histogram[i] = 0;
  if (threadIdx.x < kSelectCluster) shared.reports[threadIdx.x] = {0, 0};
  if (threadIdx.x < kSelectWarps) shared.kept[threadIdx.x] = 0;
  if (threadIdx.x == 0) {
    shared.smallest = 0xffffffffU;
    shared.largest = 0;
    shared.kept_before = 0;
  }
  __syncthreads();
}

__device__ __forceinline__ void sync(const Peers& peers) {
  if (peers.count == 1) {
    __syncthreads();
  } else {
    cluster_sync();
  }
}

// Which keys may still hold the border: those whose score is in `bin` of the even split and whose
// rank begins with `prefix`.
struct Candidates {
  float lowest;  // of the even split
  float bins_per_score;
  int bin = -1;  // -1: all
  int shift = 64;
  Rank prefix = 0;

  __device__ int bin_of(float score) const {
    // Monotonic, whatever the score: -inf (and NaN, which counts as such) and inf fall into the
    // first and the last bin, or all into the first.
    const int bin = __float2int_rz((score - lowest) * bins_per_score);
    return min(max(bin, 0), kBins - 1);
  }
  // Below 0, 0 and above 0: ranks below the candidates, is one, ranks above.
  __device__ int compare(float score, int position) const {
    const int difference = bin < 0 ? 0 : bin_of(score) - bin;
    if (difference != 0 || shift == 64) return difference;
    const Rank digits = rank_of(score, position) >> shift;
    return digits == prefix ? 0 : digits < prefix ? -1 : 1;
  }
};

// The even split of the finite scores of all peers.
__device__ __forceinline__ Candidates split_evenly(const Slice& slice, const Peers& peers,
                                                   SelectShared& shared) {
  std::uint32_t smallest = 0xffffffffU;
  std::uint32_t largest = 0;
  visit_scores(slice, [&](int, float score) {
    if (!isfinite(score)) return;
    const std::uint32_t bits = ordered_bits(score);
    smallest = min(smallest, bits);
    largest = max(largest, bits);
  });
  smallest = __reduce_min_sync(kAllLanes, smallest);
  largest = __reduce_max_sync(kAllLanes, largest);
  if (threadIdx.x % 32 == 0) {
    atomicMin(&shared.smallest, smallest);
    atomicMax(&shared.largest, largest);
  }
  __syncthreads();
  smallest = shared.smallest;
  largest = shared.largest;
  if (peers.count > 1) {
    if (static_cast<int>(threadIdx.x) < peers.count) {
      store_to(shared.smallest_of[peers.own], threadIdx.x, smallest);
      store_to(shared.largest_of[peers.own], threadIdx.x, largest);
    }
    cluster_sync();
    for (int peer = 0; peer < peers.count; ++peer) {
      smallest = min(smallest, shared.smallest_of[peer]);
      largest = max(largest, shared.largest_of[peer]);
    }
  }
  Candidates candidates{0, 0};
  if (smallest < largest) {
    candidates.lowest = from_ordered_bits(smallest);
    candidates.bins_per_score = kBins / (from_ordered_bits(largest) - candidates.lowest);
  }
  return candidates;
}

// This CTA's histogram of bin(score, position) over the candidates, and its groups' sums. The
// histogram is zero before.
template <class Bin>
__device__ __forceinline__ void count_bins(const Slice& slice, const Candidates& candidates,
                                           SelectShared& shared, const Bin& bin) {
  visit_scores(slice, [&](int index, float score) {
    const int position = slice.first + index;
    if (candidates.bin < 0 || candidates.compare(score, position) == 0) {
      atomicAdd(&shared.histogram[bin(score, position)], 1U);
    }
  });
  __syncthreads();
  constexpr int kGroupsPerWarp = kGroups / kSelectWarps;
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int i = 0; i < kGroupsPerWarp; ++i) {
    const int group = static_cast<int>(threadIdx.x) / 32 * kGroupsPerWarp + i;
    const std::uint32_t sum =
        __reduce_add_sync(kAllLanes, shared.histogram[group * kGroupBins + lane]);
    if (lane == 0) shared.groups[group] = sum;
  }
}

__device__ __forceinline__ std::uint32_t sum_over_peers(const std::uint32_t& count,
                                                        const Peers& peers) {
  if (peers.count == 1) return count;
  std::uint32_t sum = 0;
#pragma unroll
  for (int peer = 0; peer < kSelectCluster; ++peer) {
    if (peer < peers.count) sum += load_from(count, peer);
  }
  return sum;
}

__device__ __forceinline__ std::uint32_t warp_prefix(std::uint32_t value) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int distance = 1; distance < 32; distance *= 2) {
    const std::uint32_t other = __shfl_up_sync(kAllLanes, value, distance);
    if (lane >= distance) value += other;
  }
  return value;
}

// One warp: counts[lane], from the top down, where the running sum behind `above` first reaches
// `wanted`. Returns the lane and adds to `above` what lies before it.
__device__ __forceinline__ int find_lane(std::uint32_t count, std::uint32_t wanted,
                                         std::uint32_t& above) {
  const std::uint32_t sum = above + warp_prefix(count);
  const std::uint32_t reached = __ballot_sync(kAllLanes, sum >= wanted);
  const int lane = __ffs(static_cast<int>(reached)) - 1;
  above = __shfl_sync(kAllLanes, sum - count, lane);
  return lane;
}

// The first warp finds the bin of the `wanted`-th key from the top in all peers' histograms.
__device__ __forceinline__ void find_bin(std::uint32_t wanted, const Peers& peers,
                                         SelectShared& shared) {
  if (threadIdx.x < 32) {
    const int lane = threadIdx.x;
    const std::uint32_t high = sum_over_peers(shared.groups[kGroups - 1 - 2 * lane], peers);
    const std::uint32_t low = sum_over_peers(shared.groups[kGroups - 2 - 2 * lane], peers);
    std::uint32_t above = 0;
    const int pair = find_lane(high + low, wanted, above);
    const std::uint32_t high_of_pair = __shfl_sync(kAllLanes, high, pair);
    const bool is_low = above + high_of_pair < wanted;
    if (is_low) above += high_of_pair;
    const int group = kGroups - 1 - 2 * pair - (is_low ? 1 : 0);

    const int last_bin = group * kGroupBins + kGroupBins - 1;
    const std::uint32_t count = sum_over_peers(shared.histogram[last_bin - lane], peers);
    const int found = find_lane(count, wanted, above);
    if (lane == found) {
      shared.bin = last_bin - lane;
      shared.in_bin = count;
      shared.above_bin = above;
    }
  }
  __syncthreads();
}

// Splits the candidates up by further digits of their ranks until few are left. Adds to `above` the
// keys above them.
__device__ __forceinline__ void refine(const Slice& slice, const Peers& peers, int wanted,
                                       Candidates& candidates, std::uint32_t& above,
                                       SelectShared& shared) {
  for (int level = 0; shared.in_bin > kMostCandidates; ++level) {
    sync(peers);  // all have read the histograms
    for (int i = threadIdx.x; i < kBins; i += kSelectThreads) shared.histogram[i] = 0;
    __syncthreads();
    // 11, 11 and 10 bits of score, then of the position the 22 bits that differ at all.
    const int shift = level < 2 ? 53 - 11 * level : level == 2 ? 32 : level == 3 ? 11 : 0;
    const int digit_bits = level == 2 ? 10 : kBinBits;
    count_bins(slice, candidates, shared, [&](float score, int position) {
      return static_cast<int>(rank_of(score, position) >> shift) & ((1 << digit_bits) - 1);
    });
    sync(peers);
    find_bin(wanted - above, peers, shared);
    above += shared.above_bin;
    const int skipped = level == 3 ? 10 : 0;  // position bits that are ones in every rank
    candidates.prefix = candidates.prefix << skipped | ((1 << skipped) - 1);
    candidates.prefix = candidates.prefix << digit_bits | shared.bin;
    candidates.shift = shift;
  }
}

// Lists the candidates of all peers in every CTA's shared memory, and counts in kept[] the keys
// above them.
__device__ __forceinline__ void collect(const Slice& slice, const Peers& peers,
                                        const Candidates& candidates, SelectShared& shared) {
  std::uint32_t above = 0;
  Report& own = shared.reports[peers.own];
  visit_scores(slice, [&](int index, float score) {
    const int position = slice.first + index;
    const int side = candidates.compare(score, position);
    if (side > 0) ++above;
    if (side == 0) {
      shared.candidates[peers.own][atomicAdd(&own.candidates, 1U)] = rank_of(score, position);
    }
  });
  above = __reduce_add_sync(kAllLanes, above);
  if (threadIdx.x % 32 == 0) {
    shared.kept[threadIdx.x / 32] = above;
    atomicAdd(&own.above, above);
  }
  __syncthreads();
  if (peers.count == 1) return;
  const int count = static_cast<int>(own.candidates);
  for (int i = threadIdx.x; i < (count + 1) * peers.count; i += kSelectThreads) {
    const int peer = i % peers.count;
    const int candidate = i / peers.count;
    if (peer == peers.own) continue;
    if (candidate < count) {
      Rank& rank = shared.candidates[peers.own][candidate];
      store_to(rank, peer, rank);
    } else {
      store_to(own.candidates, peer, own.candidates);
      store_to(own.above, peer, own.above);
    }
  }
  cluster_sync();
}

// Ranks the candidates among each other: the first `wanted` are kept, the last of them is the
// border. A few lanes share each candidate.
__device__ __forceinline__ void rank_candidates(const Slice& slice, const Peers& peers, int wanted,
                                                SelectShared& shared) {
  const int candidate = static_cast<int>(threadIdx.x) / kLanesPerCandidate;
  const int part = static_cast<int>(threadIdx.x) % kLanesPerCandidate;
  for (int peer = 0; peer < peers.count; ++peer) {
    if (peer < peers.own && threadIdx.x == 0) {
      atomicAdd(&shared.kept_before, shared.reports[peer].above);
    }
    const bool exists = candidate < static_cast<int>(shared.reports[peer].candidates);
    if (!__any_sync(kAllLanes, exists)) continue;
    const Rank own = exists ? shared.candidates[peer][candidate] : 0;
    int larger = 0;
    for (int other = 0; other < peers.count; ++other) {
      const int count = static_cast<int>(shared.reports[other].candidates);
      for (int i = part; i < count; i += kLanesPerCandidate) {
        larger += shared.candidates[other][i] > own ? 1 : 0;
      }
    }
#pragma unroll
    for (int distance = 1; distance < kLanesPerCandidate; distance *= 2) {
      larger += __shfl_xor_sync(kAllLanes, larger, distance);
    }
    if (!exists || part != 0 || larger >= wanted) continue;
    if (larger == wanted - 1) shared.border = own;
    if (peer < peers.own) atomicAdd(&shared.kept_before, 1U);
    if (peer == peers.own) {
      const int row = (position_of(own) - slice.first) / kRowKeys;
      atomicAdd(&shared.kept[row / slice.rows_per_warp], 1U);
    }
  }
  __syncthreads();
}

// Leaves in shared memory the rank of the `wanted`-th key and how many keys each warp, and the CTAs
// before this one, keep.
__device__ __forceinline__ void find_border(const Slice& slice, const Peers& peers, int wanted,
                                            SelectShared& shared) {
  Candidates candidates = split_evenly(slice, peers, shared);
  count_bins(slice, candidates, shared, [&](float score, int) { return candidates.bin_of(score); });
  sync(peers);
  find_bin(wanted, peers, shared);
  candidates.bin = static_cast<int>(shared.bin);
  std::uint32_t above = shared.above_bin;
  refine(slice, peers, wanted, candidates, above, shared);
  collect(slice, peers, candidates, shared);
  rank_candidates(slice, peers, wanted - static_cast<int>(above), shared);
}

}  // namespace select
}  // namespace slipstream::engine::kernels
