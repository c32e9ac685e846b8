// The scores of one CTA: a range of a token's positions, in shared memory.
#pragma once

#include "cuda/peers.cuh"
#include "cuda/radix.cuh"
#include "step/kernels/select/params.h"
#include "step/kernels/support/lanes.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

inline constexpr int kSelectThreads = 512;
inline constexpr int kSelectWarps = kSelectThreads / 32;
inline constexpr int kSelectCluster = 8;
// A token's keys go to as many CTAs of its cluster as get this many each; the others have no work.
inline constexpr int kSelectLeastKeys = 2048;

namespace select {

inline constexpr int kRowKeys = 128;  // of one warp at a time, four per lane

// Where a key stands among all keys of its token: by score, then lower positions first. No two
// keys are equal.
using Rank = uint64_t;
__device__ __forceinline__ Rank rank_of_ordered(uint32_t score, int position) {
  return Rank{score} << 32 | (0xffffffffU - static_cast<unsigned>(position));
}
__device__ __forceinline__ Rank rank_of(float score, int position) {
  return rank_of_ordered(cuda::ordered_bits(score), position);
}
__device__ __forceinline__ int position_of(Rank rank) {
  return static_cast<int>(0xffffffffU - static_cast<uint32_t>(rank));
}
__device__ __forceinline__ float score_of(Rank rank) {
  return cuda::from_ordered_bits(static_cast<uint32_t>(rank >> 32));
}

// Each warp has a range of rows of its own, so that it can write what it keeps in one go. The pages
// follow the scores.
struct Slice {
  float* scores;
  int* pages;  // that hold the slice's keys
  int first;   // position
  int count;
  int rows_per_warp;
};

__device__ __forceinline__ Slice make_slice(float* scores, int keys, int workers, int worker) {
  const int per_worker = (((keys + workers - 1) / workers) + 3) / 4 * 4;
  const int first = min(worker * per_worker, keys);
  const int count = min(keys - first, per_worker);
  const int rows = (count + kRowKeys - 1) / kRowKeys;
  int* pages = reinterpret_cast<int*>(scores + (count + 3) / 4 * 4);
  return {scores, pages, first, count, (rows + kSelectWarps - 1) / kSelectWarps};
}

// Four neighboring scores of a lane; only the first `present` exist.
struct Four {
  float scores[4];
  int index;
  int present;
};

// visit(four) for the warp's scores, each thread its own. Every lane visits every row, so that
// visits may use warp-wide operations; after the last score there are none present.
template <class Visit>
__device__ __forceinline__ void visit_scores(const Slice& slice, const Visit& visit) {
  int index = static_cast<int>(threadIdx.x) / 32 * slice.rows_per_warp * kRowKeys +
              static_cast<int>(threadIdx.x) % 32 * 4;
#pragma unroll 2
  for (int row = 0; row < slice.rows_per_warp; ++row, index += kRowKeys) {
    Four four{{}, index, slice.count - index};
    if (four.present > 0) {
      const float4 loaded = *reinterpret_cast<const float4*>(slice.scores + index);
      four.scores[0] = loaded.x;
      four.scores[1] = loaded.y;
      four.scores[2] = loaded.z;
      four.scores[3] = loaded.w;
    }
    visit(four);
  }
}

// Each thread copies what it will visit. The pages that hold it arrive for the next barrier.
__device__ __forceinline__ void load_slice(const Slice& slice, const float* scores,
                                           const int* pages) {
  const int lane = threadIdx.x % 32;
  const int first = static_cast<int>(threadIdx.x) / 32 * slice.rows_per_warp * kRowKeys;
  for (int index = first + lane * 4; index < first + slice.rows_per_warp * kRowKeys;
       index += kRowKeys) {
    if (index >= slice.count) break;
    cuda::copy_16(slice.scores + index, scores + slice.first + index);
  }
  const int first_page = slice.first / kPageSize;
  const int page_count = (slice.first + slice.count - 1) / kPageSize - first_page + 1;
  for (int i = threadIdx.x; i < page_count; i += kSelectThreads) {
    cuda::copy_4(slice.pages + i, pages + first_page + i);
  }
  cuda::commit_copies();
  cuda::wait_copies();
}

// Slot of a position of the slice.
__device__ __forceinline__ int slot_of(const Slice& slice, int position) {
  const int page = slice.pages[position / kPageSize - slice.first / kPageSize];
  return page * kPageSize + position % kPageSize;
}

}  // namespace select
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
