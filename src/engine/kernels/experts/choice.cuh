// Which experts each token takes (sigmoid, best groups, best experts), by one warp per token.
#pragma once

#include "engine/kernels/experts/params.h"
#include "engine/kernels/support/lanes.cuh"

namespace slipstream::engine::kernels {

// The experts that some token takes, as bits.
struct ExpertSet {
  std::uint32_t words[kMaxExperts / 32];

  __device__ void clear() {
    for (int i = threadIdx.x; i < kMaxExperts / 32; i += static_cast<int>(blockDim.x)) {
      words[i] = 0;
    }
  }
  __device__ void insert(int expert) { atomicOr(&words[expert / 32], 1U << expert % 32); }
  __device__ int size() const {
    int count = 0;
    for (const std::uint32_t word : words) count += __popc(word);
    return count;
  }
  // The index-th in ascending order; there are more than `index`.
  __device__ int nth(int index) const {
    int word = 0;
    while (index >= __popc(words[word])) index -= __popc(words[word++]);
    std::uint32_t bits = words[word];
    for (; index > 0; --index) bits &= bits - 1;
    return word * 32 + __ffs(static_cast<int>(bits)) - 1;
  }
};

// Scratch memory of one warp.
struct ChoiceScratch {
  float corrected[kMaxExperts];
  float group_scores[kMaxExperts / 2];
};

__device__ __forceinline__ float sigmoid(float x) { return 1.0F / (1.0F + expf(-x)); }

// Experts outside the best groups get -inf. A group's score is the sum of its two best.
__device__ __forceinline__ void keep_best_groups(const RouteParams& params,
                                                 ChoiceScratch& scratch) {
  const int lane = threadIdx.x % 32;
  const int size = params.experts / params.groups;
  for (int group = lane; group < params.groups; group += 32) {
    float best = -INFINITY;
    float second = -INFINITY;
    for (int i = 0; i < size; ++i) {
      const float score = scratch.corrected[group * size + i];
      second = fmaxf(second, fminf(best, score));
      best = fmaxf(best, score);
    }
    scratch.group_scores[group] = best + second;
  }
  __syncwarp();
  for (int group = lane; group < params.groups; group += 32) {
    const float score = scratch.group_scores[group];
    int better = 0;
    for (int other = 0; other < params.groups; ++other) {
      const float theirs = scratch.group_scores[other];
      if (theirs > score || (theirs == score && other < group)) ++better;
    }
    if (better < params.kept_groups) continue;
    for (int i = 0; i < size; ++i) scratch.corrected[group * size + i] = -INFINITY;
  }
  __syncwarp();
}

// The expert with the largest corrected score, the lower one among equals.
__device__ __forceinline__ int best_expert(const RouteParams& params,
                                           const ChoiceScratch& scratch) {
  float best = -INFINITY;
  int expert = kMaxExperts;
  for (int i = threadIdx.x % 32; i < params.experts; i += 32) {
    if (scratch.corrected[i] > best || expert == kMaxExperts) {
      best = scratch.corrected[i];
      expert = i;
    }
  }
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) {
    const float other = __shfl_xor_sync(kAllLanes, best, distance);
    const int other_expert = __shfl_xor_sync(kAllLanes, expert, distance);
    if (other > best || (other == best && other_expert < expert)) {
      best = other;
      expert = other_expert;
    }
  }
  return expert;
}

// Lane i returns the i-th choice, best first; lanes beyond the choices return nothing of use.
__device__ __forceinline__ ExpertChoice choose_experts(const RouteParams& params, int token,
                                                       ChoiceScratch& scratch) {
  const int lane = threadIdx.x % 32;
  const float* logits = params.logits.get() + std::int64_t{token} * params.experts;
  for (int expert = lane; expert < params.experts; expert += 32) {
    const float score = sigmoid(logits[expert]) + params.bias.get()[expert];
    scratch.corrected[expert] = isnan(score) ? -INFINITY : score;
  }
  __syncwarp();
  if (params.groups > 1) keep_best_groups(params, scratch);

  int mine = 0;
  for (int choice = 0; choice < params.choices; ++choice) {
    const int expert = best_expert(params, scratch);
    if (choice == lane) mine = expert;
    __syncwarp();
    if (lane == 0) scratch.corrected[expert] = -INFINITY;
    __syncwarp();
  }
  const float score = lane < params.choices ? sigmoid(logits[mine]) : 0.0F;
  const float total = warp_sum(score);
  return {mine, params.scaling * score / total};
}

}  // namespace slipstream::engine::kernels
