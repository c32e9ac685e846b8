// The index_topk largest scores of each token, lower positions first among equals.
//
// One CTA per token finds the smallest score that is kept by four rounds over the digits of the
// scores (as ordered integers), then writes the positions of larger scores and of the first equal
// ones, in ascending order. Counts are integers, so the lists are the same in every run. Tokens
// with up to index_topk keys have no list: readers take every position.
//
// PDL: nothing before the wait.
#pragma once

#include "engine/kernels/select/params.h"
#include "engine/kernels/support/launch_scope.cuh"
#include "engine/kernels/support/radix.cuh"

namespace slipstream::engine::kernels {

inline constexpr int kSelectThreads = 512;

struct SelectShared {
  RadixShared<int> radix;
  int warp_counts[2][kSelectThreads / 32];
};

// Positions of this thread's predecessors in the CTA that count, and all of them, for two
// conditions at once.
struct RunningCounts {
  int above;
  int equal;
  int all_above;
  int all_equal;
};
__device__ __forceinline__ RunningCounts count_before(bool above, bool equal,
                                                      SelectShared& shared) {
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  const std::uint32_t before = (1U << lane) - 1;
  const std::uint32_t above_lanes = __ballot_sync(kAllLanes, above);
  const std::uint32_t equal_lanes = __ballot_sync(kAllLanes, equal);
  if (lane == 0) {
    shared.warp_counts[0][warp] = __popc(above_lanes);
    shared.warp_counts[1][warp] = __popc(equal_lanes);
  }
  __syncthreads();
  RunningCounts counts{__popc(above_lanes & before), __popc(equal_lanes & before), 0, 0};
  for (int other = 0; other < kSelectThreads / 32; ++other) {
    if (other < warp) {
      counts.above += shared.warp_counts[0][other];
      counts.equal += shared.warp_counts[1][other];
    }
    counts.all_above += shared.warp_counts[0][other];
    counts.all_equal += shared.warp_counts[1][other];
  }
  __syncthreads();
  return counts;
}

__global__ void __launch_bounds__(kSelectThreads)
    select_kernel(const __grid_constant__ SelectParams params) {
  __shared__ SelectShared shared;
  [[maybe_unused]] const LaunchScope scope{};
  pdl::trigger();
  pdl::wait();
  const int token = static_cast<int>(blockIdx.x);
  const int keys = params.rows.get()[token].position + 1;
  if (keys <= params.index_topk) return;
  const float* scores = params.scores.get() + token * params.score_stride;

  const RadixResult<int> border = find_border<int>(
      keys, params.index_topk, shared.radix, [&](int i) { return ordered_bits(scores[i]); },
      [](int) { return 1; });

  int* list = params.lists.get() + token * params.index_topk;
  int written = 0;
  int equals_left = params.index_topk - border.above;
  for (int first = 0; first < keys; first += kSelectThreads) {
    const int position = first + static_cast<int>(threadIdx.x);
    const std::uint32_t bits = position < keys ? ordered_bits(scores[position]) : 0;
    const bool above = position < keys && bits > border.key;
    const bool equal = position < keys && bits == border.key;
    const RunningCounts counts = count_before(above, equal, shared);
    const int kept_equals_before = min(counts.equal, equals_left);
    if (above || (equal && counts.equal < equals_left)) {
      list[written + counts.above + kept_equals_before] = position;
    }
    const int kept_equals = min(counts.all_equal, equals_left);
    written += counts.all_above + kept_equals;
    equals_left -= kept_equals;
  }
}

}  // namespace slipstream::engine::kernels
