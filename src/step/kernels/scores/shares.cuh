// Which pages of which tokens a CTA scores: those of all tokens are numbered one after the other, and
// each CTA takes an equal run, whatever the lengths of the sequences.
#pragma once

#include "step/kernels/scores/params.h"
#include "step/kernels/support/lanes.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace scores {

// Of the pages of all tokens.
struct PageRun {
  int first;
  int end;
};

// What a CTA's run has of one token's pages.
struct TokenPages {
  int token;
  int position;  // of the token
  int first;     // of the token's pages is the CTA's page 0; below 0 where others come before it
  int end;       // of the CTA's pages
};

// A warp's view: lane l has token l.
class Shares {
 public:
  // Reads the tokens' places.
  __device__ Shares(const ScoreParams& params, int tokens) : tokens_(tokens) {
    const int lane = threadIdx.x % 32;
    if (lane >= tokens) return;
    const StepRow& row = params.places.rows.get()[lane];
    position_ = row.position;
    sequence_ = row.sequence;
    if (position_ >= params.index_topk) pages_ = position_ / kPageSize + 1;
  }

  // Must be called before what follows.
  __device__ void count() {
    end_ = pages_;
#pragma unroll 1
    for (int distance = 1; distance < tokens_; distance *= 2) {
      const int other = __shfl_up_sync(kAllLanes, end_, distance);
      if (static_cast<int>(threadIdx.x) % 32 >= distance) end_ += other;
    }
  }

  __device__ PageRun run(Cta cta) const {
    const int all = __shfl_sync(kAllLanes, end_, tokens_ - 1);
    const int share = (all + cta.count - 1) / cta.count;
    return {min(share * cta.index, all), min(share * (cta.index + 1), all)};
  }

  // The token of page `first + run.first`, and how many of the CTA's pages are its own or earlier ones.
  __device__ TokenPages pages_from(int first, PageRun run) const {
    const int page = run.first + first;
    const int token = __popc(__ballot_sync(kAllLanes, end_ <= page) & ((1U << tokens_) - 1));
    const int begin = __shfl_sync(kAllLanes, end_ - pages_, token);
    return {token, __shfl_sync(kAllLanes, position_, token), run.first - begin,
            min(run.end, __shfl_sync(kAllLanes, end_, token)) - run.first};
  }

  // Where in the cache a page lies; lanes may ask for different ones.
  __device__ int page(const ScoreParams& params, int page) const {
    int token = 0;
    for (int t = 0; t < tokens_; ++t) {
      if (__shfl_sync(kAllLanes, end_, t) <= page) ++token;
    }
    const int begin = __shfl_sync(kAllLanes, end_ - pages_, token);
    const int sequence = __shfl_sync(kAllLanes, sequence_, token);
    return params.places.pages.get()[sequence * params.places.pages_per_sequence + page - begin];
  }

 private:
  int tokens_;
  int position_ = 0;
  int sequence_ = 0;
  int pages_ = 0;  // of the token
  int end_ = 0;    // of the pages up to it
};

}  // namespace scores
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
