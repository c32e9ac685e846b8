// Which pages of which token a CTA scores: each takes a run of one token's, and the runs of all tokens
// are equally long. A CTA with pages of two tokens would prepare the queries of one after the other.
#pragma once

#include "step/kernels/scores/params.h"
#include "step/kernels/support/lanes.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace scores {

struct PageRun {
  int token = 0;
  int position = 0;  // of the token
  int sequence = 0;
  int first = 0;  // of the token's pages
  int end = 0;
};

// The runs of all tokens, as short as makes them at most as many as CTAs.
class Runs {
 public:
  // Lane l has token l, and `pages` of it.
  __device__ Runs(int pages, Cta cta) : pages_(pages) {
    const int all = static_cast<int>(__reduce_add_sync(kAllLanes, pages));
    size_ = max((all + cta.count - 1) / cta.count, 1);
    own_ = count(pages);
#pragma unroll 1
    while (static_cast<int>(__reduce_add_sync(kAllLanes, own_)) > cta.count) {
      ++size_;
      own_ = count(pages);
    }
    end_ = own_;
#pragma unroll 1
    for (int distance = 1; distance < 32; distance *= 2) {
      const int other = __shfl_up_sync(kAllLanes, end_, distance);
      if (static_cast<int>(threadIdx.x) % 32 >= distance) end_ += other;
    }
  }

  // Run number `index`, of which the token's place is left out.
  __device__ PageRun run(int index) const {
    const int token = __popc(__ballot_sync(kAllLanes, end_ <= index)) % 32;
    const int begin = __shfl_sync(kAllLanes, end_ - own_, token);
    const int pages = __shfl_sync(kAllLanes, pages_, token);
    const int first = min(max(index - begin, 0) * size_, pages);
    return {.token = token, .first = first, .end = min(first + size_, pages)};
  }

 private:
  __device__ int count(int pages) const { return (pages + size_ - 1) / size_; }

  int pages_;
  int size_;
  int own_;  // runs of the lane's token
  int end_;  // of these among all
};

// The CTA's run, of which there may be none. By whole warps.
__device__ __forceinline__ PageRun find_run(const ScoreParams& params, int tokens, Cta cta) {
  const int lane = threadIdx.x % 32;
  int position = 0;
  int sequence = 0;
  int pages = 0;
  if (lane < tokens) {
    const StepRow& row = params.places.rows.get()[lane];
    position = row.position;
    sequence = row.sequence;
    if (position >= params.index_topk) pages = position / kPageSize + 1;
  }
  PageRun run = Runs(pages, cta).run(cta.index);
  run.position = __shfl_sync(kAllLanes, position, run.token);
  run.sequence = __shfl_sync(kAllLanes, sequence, run.token);
  return run;
}

}  // namespace scores
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
