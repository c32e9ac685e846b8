// Which experts a token takes (sigmoid, best groups, best experts).
//
// All threads turn router logits into integers that compare as the corrected scores do, in shared
// memory; then one warp per token chooses. Each lane holds experts of one group. The maxima of as
// many sets of lanes as there are choices give a bound that the chosen ones reach; few others do.
// Those that reach it count how many of them are better, which is their place.
//
// Every microsecond here is one in which no weight is on its way, and most of them would go into
// fetching instructions. So the choosing warps run choose() once before the wait, on other keys: it
// touches shared memory only, and it is not inlined, so that both runs share their instructions.
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

// Keys of all tokens, [token][place], and whose they are once they are sorted out.
struct KeyLists {
  uint32_t* keys;
  uint16_t* experts;
  int places;  // of a token

  // A multiple of 16.
  SLIPSTREAM_HOST_DEVICE static int bytes(const RouteParams& route, int tokens) {
    return tokens * route.experts_per_lane * 32 *
           static_cast<int>(sizeof(uint32_t) + sizeof(uint16_t));
  }
  __device__ KeyLists(const RouteParams& route, int tokens, unsigned char* memory)
      : keys(reinterpret_cast<uint32_t*>(memory)), places(route.experts_per_lane * 32) {
    experts = reinterpret_cast<uint16_t*>(keys + tokens * places);
  }
};

// The experts of a lane: `first` and every lanes_per_group-th after it. Key i of a lane lies at
// place i * 32 + lane.
struct LaneShare {
  int first;
  int count;
  int group;
  int lanes_per_group;
  int groups;
  int kept_groups;
  int set_lanes;

  __device__ int expert(int index) const { return first + index * lanes_per_group; }
};
__device__ __forceinline__ LaneShare lane_share(const RouteParams& route) {
  const int lane = threadIdx.x % 32;
  const int lanes = 1 << route.lane_shift;
  const int group = lane >> route.lane_shift;
  const int in_group = lane & (lanes - 1);
  const int count = (route.group_size.divisor - in_group + lanes - 1) >> route.lane_shift;
  return {group * route.group_size.divisor + in_group,
          group < route.groups ? count : 0,
          group,
          lanes,
          route.groups,
          route.kept_groups,
          route.set_lanes};
}

// The two largest of two pairs.
__device__ __forceinline__ void join_two(uint32_t& best, uint32_t& second, uint32_t other_best,
                                         uint32_t other_second) {
  second = max(min(best, other_best), max(second, other_second));
  best = max(best, other_best);
}

// Experts outside the best groups get the key of -inf; whether the lane's group is one of those. A
// group's score is the sum of its two best.
template <int kPerLane>
__device__ __forceinline__ bool keep_best_groups(const LaneShare& share,
                                                 uint32_t (&keys)[kPerLane]) {
  uint32_t best[kPerLane];
  uint32_t second[kPerLane];
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) {
    best[i] = keys[i];
    second[i] = 0;
  }
#pragma unroll
  for (int half = kPerLane / 2; half > 0; half /= 2) {
#pragma unroll
    for (int i = 0; i < half; ++i) join_two(best[i], second[i], best[i + half], second[i + half]);
  }
#pragma unroll 1
  for (int distance = 1; distance < share.lanes_per_group; distance *= 2) {
    join_two(best[0], second[0], __shfl_xor_sync(kAllLanes, best[0], distance),
             __shfl_xor_sync(kAllLanes, second[0], distance));
  }
  const float score = cuda::from_ordered_bits(best[0]) + cuda::from_ordered_bits(second[0]);
  // The lanes of a group compare it with other groups in turn.
  const int own = static_cast<int>(threadIdx.x) & (share.lanes_per_group - 1);
  int better = 0;
#pragma unroll 1
  for (int first = 0; first < share.groups; first += share.lanes_per_group) {
    const int group = first + own;
    const float other = __shfl_sync(kAllLanes, score, group * share.lanes_per_group);
    better += static_cast<int>((other > score) | ((other == score) & (group < share.group))) &
              static_cast<int>(group < share.groups);
  }
#pragma unroll 1
  for (int distance = 1; distance < share.lanes_per_group; distance *= 2) {
    better += __shfl_xor_sync(kAllLanes, better, distance);
  }
  if (better < share.kept_groups) return true;
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) keys[i] = i < share.count ? cuda::ordered_bits(-INFINITY) : 0;
  return false;
}

// A bound that at least as many keys reach as a token has choices: the least maximum of sets of
// neighboring lanes of the groups that count.
template <int kPerLane>
__device__ __forceinline__ uint32_t reached_bound(const uint32_t (&keys)[kPerLane], int set_lanes,
                                                  bool counts) {
  if (set_lanes == 0) return 1;
  uint32_t best = 0;
#pragma unroll
  for (const uint32_t key : keys) best = max(best, key);
#pragma unroll 1
  for (int distance = 1; distance < set_lanes; distance *= 2) {
    best = max(best, __shfl_xor_sync(kAllLanes, best, distance));
  }
  // No expert has key 0.
  return __reduce_min_sync(kAllLanes, counts && best > 0 ? best : 0xffffffffU);
}

// Where choose() looks for an expert's key.
__device__ __forceinline__ int place_of(const RouteParams& route, int expert) {
  const int group = route.group_size.divide(expert);
  const int in_group = expert - group * route.group_size.divisor;
  const int lane = in_group & ((1 << route.lane_shift) - 1);
  return (in_group >> route.lane_shift) * 32 + (group << route.lane_shift) + lane;
}

// Writes the experts of a token's choices, best first. `keys`, in shared memory, hold 0 where there
// is no expert; what they and `experts` hold afterwards is of no use.
template <int kPerLane>
__device__ __noinline__ void choose(uint32_t* keys, uint16_t* experts, int places, LaneShare share,
                                    int choices, uint16_t* chosen) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  uint32_t own[kPerLane];
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) own[i] = i < places ? keys[i * 32 + lane] : 0;
  const bool counts = share.groups == 1 || keep_best_groups(share, own);
  const uint32_t bound = reached_bound(own, share.set_lanes, counts);
  __syncwarp();
  int count = 0;
#pragma unroll
  for (int i = 0; i < kPerLane; ++i) {
    const bool reaches = own[i] >= bound;
    const uint32_t reaching = __ballot_sync(kAllLanes, reaches);
    if (reaches) {
      const int place = count + __popc(reaching & ((1U << lane) - 1));
      keys[place] = own[i];
      experts[place] = static_cast<uint16_t>(share.expert(i));
    }
    count += __popc(reaching);
  }
  __syncwarp();
#pragma unroll 1
  for (int i = lane; i < count; i += 32) {
    const uint32_t key = keys[i];
    const int expert = experts[i];
    int place = 0;
#pragma unroll 4
    for (int j = 0; j < count; ++j) {
      place += static_cast<int>((keys[j] > key) | ((keys[j] == key) & (experts[j] < expert)));
    }
    if (place < choices) chosen[place] = static_cast<uint16_t>(expert);
  }
  __syncwarp();
}

__device__ __forceinline__ void choose_experts(const RouteParams& route, const LaneShare& share,
                                               uint32_t* keys, uint16_t* experts, int choices,
                                               uint16_t* chosen) {
  route.experts_per_lane <= 8
      ? choose<8>(keys, experts, route.experts_per_lane, share, choices, chosen)
      : choose<32>(keys, experts, route.experts_per_lane, share, choices, chosen);
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
