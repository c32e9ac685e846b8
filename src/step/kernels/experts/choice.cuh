// Which experts a token takes (sigmoid, best groups, best experts).
//
// All threads turn router logits into integers that compare as the corrected scores do, in shared
// memory; then one warp per token chooses. Each lane holds neighboring experts of one group, so
// that a choice is one maximum over the warp, and the lowest lane that has it holds the lowest
// expert.
//
// Every microsecond here is one in which no weight is on its way, and most of them would go into
// fetching instructions. So the choosing warps run choose() once before the wait, on whatever the
// keys then are: it touches shared memory only, and it is not inlined, so that both runs share
// their instructions.
#pragma once

#include "cuda/radix.cuh"
#include "step/kernels/experts/params.h"
#include "step/kernels/support/lanes.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace experts {

// Off by up to two units in the last place. The exact division would branch for every score.
__device__ __forceinline__ float sigmoid(float x) { return __fdividef(1.0F, 1.0F + expf(-x)); }

// Where an expert's key lies among a token's: [place in its lane][lane].
__device__ __forceinline__ int key_place(const RouteParams& route, int expert) {
  const int size = route.experts / route.groups;
  const int group = expert / size;
  const int in_group = expert - group * size;
  const int lane = in_group / route.experts_per_lane;
  return (in_group - lane * route.experts_per_lane) * 32 + group * route.lanes_per_group + lane;
}

// What the lanes of a choosing warp know beforehand.
struct LaneShare {
  int first;  // expert
  int count;
  int group;
  int lanes_per_group;
  int groups;
  int kept_groups;
};
__device__ __forceinline__ LaneShare lane_share(const RouteParams& route) {
  const int lane = threadIdx.x % 32;
  const int group = lane / route.lanes_per_group;
  const int size = route.experts / route.groups;
  const int begin = min(lane % route.lanes_per_group * route.experts_per_lane, size);
  const int count = min(route.experts_per_lane, size - begin);
  return {group * size + begin,
          group < route.groups ? count : 0,
          group,
          route.lanes_per_group,
          route.groups,
          route.kept_groups};
}

// Experts outside the best groups get the key of -inf. A group's score is the sum of its two best.
template <int kPerLane>
__device__ __forceinline__ void keep_best_groups(const LaneShare& share,
                                                 uint32_t (&keys)[kPerLane]) {
  uint32_t best = 0;
  uint32_t second = 0;
#pragma unroll
  for (const uint32_t key : keys) {
    second = max(second, min(best, key));
    best = max(best, key);
  }
#pragma unroll 1
  for (int distance = 1; distance < share.lanes_per_group; distance *= 2) {
    const uint32_t other_best = __shfl_xor_sync(kAllLanes, best, distance);
    const uint32_t other_second = __shfl_xor_sync(kAllLanes, second, distance);
    second = max(min(best, other_best), max(second, other_second));
    best = max(best, other_best);
  }
  const float score = cuda::from_ordered_bits(best) + cuda::from_ordered_bits(second);
  int better = 0;
#pragma unroll 4
  for (int group = 0; group < share.groups; ++group) {
    const float other = __shfl_sync(kAllLanes, score, group * share.lanes_per_group);
    better += static_cast<int>(other > score || (other == score && group < share.group));
  }
  if (better < share.kept_groups) return;
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) keys[i] = i < share.count ? cuda::ordered_bits(-INFINITY) : 0;
}

// The expert with the largest key, the lowest one among equals; its key becomes 0, below all
// others.
template <int kPerLane>
__device__ __forceinline__ int take_best(const LaneShare& share, uint32_t (&keys)[kPerLane]) {
  uint32_t best = 0;
  int place = 0;
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) {
    if (keys[i] > best) place = i;
    best = max(best, keys[i]);
  }
  const uint32_t largest = __reduce_max_sync(kAllLanes, best);
  const int winner = __ffs(static_cast<int>(__ballot_sync(kAllLanes, best == largest))) - 1;
  if (threadIdx.x % 32 != winner) best = 0;
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) {
    if (best != 0 && i == place) keys[i] = 0;
  }
  return __shfl_sync(kAllLanes, share.first + place, winner);
}

// Lane i returns the i-th choice, best first, for i < choices. `keys` of a token, in shared memory;
// places without an expert hold 0.
template <int kPerLane>
__device__ __noinline__ int choose(const uint32_t* token_keys, int places, LaneShare share,
                                   int choices) {
  uint32_t keys[kPerLane];
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) {
    keys[i] = i < places ? token_keys[i * 32 + threadIdx.x % 32] : 0;
  }
  if (share.groups > 1) keep_best_groups(share, keys);
  int mine = 0;
#pragma unroll 1
  for (int choice = 0; choice < choices; ++choice) {
    const int expert = take_best(share, keys);
    if (static_cast<int>(threadIdx.x % 32) == choice) mine = expert;
  }
  return mine;
}

__device__ __forceinline__ int choose_experts(const RouteParams& route, const LaneShare& share,
                                              const uint32_t* token_keys, int choices) {
  return route.experts_per_lane <= 8
             ? choose<8>(token_keys, route.experts_per_lane, share, choices)
             : choose<32>(token_keys, route.experts_per_lane, share, choices);
}

// The weight of lane i's expert, for i < route.choices.
__device__ __forceinline__ float choice_weight(const RouteParams& route, int token, int expert) {
  const bool chosen = static_cast<int>(threadIdx.x % 32) < route.choices;
  const float* logits = route.logits.get() + int64_t{token} * route.experts;
  const float score = chosen ? sigmoid(logits[expert]) : 0.0F;
  return route.scaling * score / warp_sum(score);
}

}  // namespace experts
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
