// The rank of the last key that a token keeps, found by the CTAs that share the token's keys.
#pragma once

#include "step/kernels/select/candidates.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace select {

// This CTA's histogram of the even split, which is zero before, and its groups' sums.
__device__ __forceinline__ void count_evenly(const Slice& slice, const Candidates& candidates,
                                             SelectShared& shared) {
  visit_scores(slice, [&](const Four& four) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const uint32_t bin = candidates.bin_of(four.scores[i]);
      if (i < four.present) atomicAdd(&shared.histogram[bin], 1U);
    }
  });
  __syncthreads();
  sum_groups(shared);
}

// The same over the `digit_bits` bits from `shift` on of the candidates' ranks.
__device__ __forceinline__ void count_digits(const Slice& slice, const Candidates& candidates,
                                             int shift, int digit_bits, SelectShared& shared) {
  for (int i = threadIdx.x; i < kBins; i += kSelectThreads) shared.histogram[i] = 0;
  __syncthreads();
  visit_scores(slice, [&](const Four& four) {
    for (int i = 0; i < 4; ++i) {
      const int position = slice.first + four.index + i;
      if (i >= four.present || candidates.compare(four.scores[i], position) != 0) continue;
      const auto digits = static_cast<uint32_t>(rank_of(four.scores[i], position) >> shift);
      atomicAdd(&shared.histogram[digits & ((1U << digit_bits) - 1)], 1U);
    }
  });
  __syncthreads();
  sum_groups(shared);
}

// Splits the candidates up by further digits of their ranks until few are left. Adds to `above` the
// keys above them.
__device__ __forceinline__ void refine(const Slice& slice, const Peers& peers, int wanted,
                                       Candidates& candidates, Counts& above,
                                       SelectShared& shared) {
  for (int level = 0; shared.in_bin.all > kMaxCandidates; ++level) {
    sync(peers);  // all have read the histograms
    // 11, 11 and 10 bits of score, then of the position the 22 bits that differ at all.
    const int shift = level < 2 ? 53 - 11 * level : level == 2 ? 32 : level == 3 ? 11 : 0;
    const int digit_bits = level == 2 ? 10 : kBinBits;
    count_digits(slice, candidates, shift, digit_bits, shared);
    sync(peers);
    find_bin(wanted - above.all, peers, shared);
    above = {above.all + shared.above_bin.all, above.before + shared.above_bin.before};
    const int skipped = level == 3 ? 10 : 0;  // position bits that are ones in every rank
    candidates.prefix = candidates.prefix << skipped | ((1 << skipped) - 1);
    candidates.prefix = candidates.prefix << digit_bits | shared.bin;
    candidates.shift = shift;
  }
}

__device__ __forceinline__ void add_candidate(float score, int position, const Peers& peers,
                                              SelectShared& shared) {
  Rank* list = peers.count == 1 ? shared.candidates : shared.own;
  list[atomicAdd(&shared.own_candidates, 1U)] = rank_of(score, position);
}

// Lists the candidates of all peers in every CTA's shared memory, each peer's after those of the
// peers before it, and counts in kept[] the keys above them.
__device__ __forceinline__ void collect(const Slice& slice, const Peers& peers,
                                        const Candidates& candidates, SelectShared& shared) {
  uint32_t above = 0;
  // Places at which the bin begins and ends, where place_of() decides alone.
  const bool is_even = candidates.shift == 64;
  const float begin = candidates.bin == 0 ? -INFINITY : static_cast<float>(candidates.bin);
  const float end = candidates.bin == kBins - 1 ? INFINITY : static_cast<float>(candidates.bin + 1);
  visit_scores(slice, [&](const Four& four) {
    int sides[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float place = candidates.place_of(four.scores[i]);
      sides[i] = place < begin ? -1 : place >= end && end < INFINITY ? 1 : 0;
      if (!is_even) {
        sides[i] = candidates.compare(four.scores[i], slice.first + four.index + i);
      }
      if (i >= four.present) sides[i] = -1;
      if (sides[i] > 0) ++above;
    }
    if (sides[0] != 0 && sides[1] != 0 && sides[2] != 0 && sides[3] != 0) return;
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (sides[i] != 0) continue;
      add_candidate(four.scores[i], slice.first + four.index + i, peers, shared);
    }
  });
  above = __reduce_add_sync(kAllLanes, above);
  if (threadIdx.x % 32 == 0) shared.kept[threadIdx.x / 32] = above;
  __syncthreads();
  if (peers.count == 1) return;
  const int count = static_cast<int>(shared.own_candidates);
  for (int i = threadIdx.x; i < count * peers.count; i += kSelectThreads) {
    const int candidate = i / peers.count;
    cuda::store_to(shared.candidates[shared.in_bin.before + candidate], i % peers.count,
                   shared.own[candidate]);
  }
  cuda::cluster_sync();
}

// Ranks the candidates among each other: the first `wanted` are kept, the last of them is the
// border. Four lanes share each candidate.
__device__ __forceinline__ void rank_candidates(const Slice& slice, int wanted,
                                                SelectShared& shared) {
  constexpr int kLanes = kSelectThreads / kMaxCandidates;
  const int count = static_cast<int>(shared.in_bin.all);
  const int candidate = static_cast<int>(threadIdx.x) / kLanes;
  const int part = static_cast<int>(threadIdx.x) % kLanes;
  if (static_cast<int>(threadIdx.x) / 32 * (32 / kLanes) < count) {
    const Rank own = candidate < count ? shared.candidates[candidate] : 0;
    int larger = 0;
#pragma unroll 4
    for (int i = part; i < count; i += kLanes) larger += shared.candidates[i] > own ? 1 : 0;
#pragma unroll
    for (int distance = 1; distance < kLanes; distance *= 2) {
      larger += __shfl_xor_sync(kAllLanes, larger, distance);
    }
    if (candidate < count && part == 0 && larger < wanted) {
      const int before = static_cast<int>(shared.in_bin.before);
      if (larger == wanted - 1) shared.border = own;
      if (candidate < before) {
        atomicAdd(&shared.kept_before, 1U);
      } else if (candidate < before + static_cast<int>(shared.own_candidates)) {
        const int row = (position_of(own) - slice.first) / kRowKeys;
        atomicAdd(&shared.kept[row / slice.rows_per_warp], 1U);
      }
    }
  }
  __syncthreads();
}

// Leaves in shared memory the rank of the `wanted`-th key and how many keys each warp, and the CTAs
// before this one, keep.
__device__ __forceinline__ void find_border(const Slice& slice, const Peers& peers, int wanted,
                                            SelectShared& shared) {
  Candidates candidates = split_evenly(slice, peers, shared);
  count_evenly(slice, candidates, shared);
  sync(peers);
  find_bin(wanted, peers, shared);
  candidates.bin = static_cast<int>(shared.bin);
  Counts above = shared.above_bin;
  refine(slice, peers, wanted, candidates, above, shared);
  if (threadIdx.x == 0) shared.kept_before = above.before;
  collect(slice, peers, candidates, shared);
  rank_candidates(slice, wanted - static_cast<int>(above.all), shared);
}

}  // namespace select
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
