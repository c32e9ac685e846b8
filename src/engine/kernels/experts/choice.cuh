// Which experts a token takes (sigmoid, best groups, best experts), by one warp.
//
// Each lane holds neighbouring experts of one group as integers that compare as their scores do, so
// that a choice is one maximum over the warp, and the lowest lane that has it holds the lowest
// expert. Nothing but the logits is read behind the wait: every microsecond here is one in which no
// weight is on its way.
#pragma once

#include "engine/kernels/experts/params.h"
#include "engine/kernels/support/lanes.cuh"
#include "engine/kernels/support/radix.cuh"

namespace slipstream::engine::kernels::experts {

// Off by up to two units in the last place. The exact division would branch for every score, and
// eight scores would be made one after the other.
__device__ __forceinline__ float sigmoid(float x) { return __fdividef(1.0F, 1.0F + expf(-x)); }

// The experts of this lane: `count` from `first` on.
struct LaneShare {
  int group;
  int first;
  int count;
};
__device__ __forceinline__ LaneShare lane_share(const RouteParams& route) {
  const int lane = threadIdx.x % 32;
  const int group = lane / route.lanes_per_group;
  const int size = route.experts / route.groups;
  const int begin = min(lane % route.lanes_per_group * route.experts_per_lane, size);
  const int count = min(route.experts_per_lane, size - begin);
  return {group, group * size + begin, group < route.groups ? count : 0};
}

// count <= kPerLane neighbouring floats; the rest is left as it is.
template <int kPerLane>
__device__ __forceinline__ void load_run(const float* source, int count,
                                         float (&values)[kPerLane]) {
  if (count == kPerLane && reinterpret_cast<std::uintptr_t>(source) % 16 == 0) {
#pragma unroll
    for (int i = 0; i < kPerLane; i += 4) {
      const float4 four = *reinterpret_cast<const float4*>(source + i);
      values[i] = four.x;
      values[i + 1] = four.y;
      values[i + 2] = four.z;
      values[i + 3] = four.w;
    }
    return;
  }
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) {
    if (i < count) values[i] = source[i];
  }
}

// Key 0 is below every score's: for places without an expert and for experts already taken.
template <int kPerLane>
__device__ __forceinline__ void load_keys(const LaneShare& share, const float* logits,
                                          const float* bias, std::uint32_t (&keys)[kPerLane]) {
  float logit[kPerLane] = {};
  float correction[kPerLane] = {};
  load_run(logits + share.first, share.count, logit);
  load_run(bias + share.first, share.count, correction);
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) {
    keys[i] = i < share.count ? ordered_bits(sigmoid(logit[i]) + correction[i]) : 0;
  }
}

// Experts outside the best groups get the key of -inf. A group's score is the sum of its two best.
template <int kPerLane>
__device__ __forceinline__ void keep_best_groups(const RouteParams& route, const LaneShare& share,
                                                 std::uint32_t (&keys)[kPerLane]) {
  std::uint32_t best = 0;
  std::uint32_t second = 0;
#pragma unroll
  for (const std::uint32_t key : keys) {
    second = max(second, min(best, key));
    best = max(best, key);
  }
  for (int distance = 1; distance < route.lanes_per_group; distance *= 2) {
    const std::uint32_t other_best = __shfl_xor_sync(kAllLanes, best, distance);
    const std::uint32_t other_second = __shfl_xor_sync(kAllLanes, second, distance);
    second = max(min(best, other_best), max(second, other_second));
    best = max(best, other_best);
  }
  const float score = from_ordered_bits(best) + from_ordered_bits(second);
  int better = 0;
#pragma unroll 8
  for (int group = 0; group < route.groups; ++group) {
    const float other = __shfl_sync(kAllLanes, score, group * route.lanes_per_group);
    if (other > score || (other == score && group < share.group)) ++better;
  }
  if (better < route.kept_groups) return;
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) {
    keys[i] = i < share.count ? ordered_bits(-INFINITY) : 0;
  }
}

// The expert with the largest key, the lowest one among equals; its key becomes 0.
template <int kPerLane>
__device__ __forceinline__ int take_best(const LaneShare& share, std::uint32_t (&keys)[kPerLane]) {
  std::uint32_t best = 0;
  int place = 0;
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) {
    if (keys[i] > best) place = i;
    best = max(best, keys[i]);
  }
  const std::uint32_t largest = __reduce_max_sync(kAllLanes, best);
  const int winner = __ffs(static_cast<int>(__ballot_sync(kAllLanes, best == largest))) - 1;
  if (threadIdx.x % 32 == winner) {
#pragma unroll
    for (int i = 0; i < kPerLane; ++i) {
      if (i == place) keys[i] = 0;
    }
  }
  return __shfl_sync(kAllLanes, share.first + place, winner);
}

// Lane i returns the i-th choice, best first, for i < `choices` of the token's.
template <int kPerLane>
__device__ __forceinline__ int choose(const RouteParams& route, const float* logits,
                                      const float* bias, int choices) {
  const LaneShare share = lane_share(route);
  std::uint32_t keys[kPerLane];
  load_keys(share, logits, bias, keys);
  if (route.groups > 1) keep_best_groups(route, share, keys);
  int mine = 0;
  for (int choice = 0; choice < choices; ++choice) {
    const int expert = take_best(share, keys);
    if (static_cast<int>(threadIdx.x % 32) == choice) mine = expert;
  }
  return mine;
}

__device__ __forceinline__ int choose_experts(const RouteParams& route, int token,
                                              const float* bias, int choices) {
  const float* logits = route.logits.get() + std::int64_t{token} * route.experts;
  return route.experts_per_lane <= 8 ? choose<8>(route, logits, bias, choices)
                                     : choose<32>(route, logits, bias, choices);
}

// The weight of lane i's expert, for i < route.choices.
__device__ __forceinline__ float choice_weight(const RouteParams& route, int token, int expert) {
  const bool chosen = static_cast<int>(threadIdx.x % 32) < route.choices;
  const float* logits = route.logits.get() + std::int64_t{token} * route.experts;
  const float score = chosen ? sigmoid(logits[expert]) : 0.0F;
  return route.scaling * score / warp_sum(score);
}

}  // namespace slipstream::engine::kernels::experts
