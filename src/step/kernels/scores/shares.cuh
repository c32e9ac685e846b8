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
  // Lane l has token l, of `tokens`, and `pages` of it.
  __device__ Runs(int pages, int tokens, Cta cta) : tokens_(tokens), pages_(pages) {
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
    for (int distance = 1; distance < tokens; distance *= 2) {
      const int other = __shfl_up_sync(kAllLanes, end_, distance);
      if (lane() >= distance) end_ += other;
    }
  }

  // Run number `index`, of which the token's place is left out. One that does not exist is empty.
  __device__ PageRun run(int index) const {
    const int token = __popc(__ballot_sync(kAllLanes, lane() < tokens_ && end_ <= index));
    const int begin = __shfl_sync(kAllLanes, end_ - own_, token);
    const int pages = __shfl_sync(kAllLanes, pages_, token);
    const int first = min(max(index - begin, 0) * size_, pages);
    return {.token = token, .first = first, .end = min(first + size_, pages)};
  }

 private:
  static __device__ int lane() { return static_cast<int>(threadIdx.x) % 32; }
  __device__ int count(int pages) const { return (pages + size_ - 1) / size_; }

  int tokens_;
  int pages_;
  int size_;
  int own_;  // runs of the lane's token
  int end_;  // of these among all
};

// Lane l's token, which is loaded ahead of what it is needed for.
struct LaneToken {
  int position = 0;
  int sequence = 0;

  __device__ LaneToken(const ScoreParams& params, int tokens) {
    const auto lane = static_cast<int>(threadIdx.x) % 32;
    if (lane >= tokens) return;
    const StepRow& row = params.places.rows.get()[lane];
    position = row.position;
    sequence = row.sequence;
  }
};

// The CTA's run, of which there may be none. By whole warps.
__device__ __forceinline__ PageRun find_run(const ScoreParams& params, const LaneToken& token,
                                            int tokens, Cta cta) {
  const bool scores =
      static_cast<int>(threadIdx.x) % 32 < tokens && token.position >= params.index_topk;
  const int pages = scores ? token.position / kPageSize + 1 : 0;
  PageRun run = Runs(pages, tokens, cta).run(cta.index);
  run.position = __shfl_sync(kAllLanes, token.position, run.token);
  run.sequence = __shfl_sync(kAllLanes, token.sequence, run.token);
  return run;
}

}  // namespace scores
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
