// Index scores over the paged keys, and the absorbed queries in the last CTAs of the same launch.
//
// The pages of all tokens that need scores, one after the other, are shared out evenly among the
// scoring CTAs, whatever the lengths of the sequences. A CTA prepares the query heads of each token
// that it meets.
//
// PDL: W_UK before the wait; queries, positions, caches and scores after it.
#pragma once

#include "step/kernels/scores/absorb.cuh"
#include "step/kernels/scores/pages.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace scores {

// Pages of all tokens before and with lane's token, and its place.
struct Shares {
  StepRow place;
  int pages;  // of the lane's token
  int end;    // up to it, all of them
  int total;

  __device__ void read(const ScoreParams& params, int tokens) {
    const int lane = threadIdx.x % 32;
    pages = 0;
    if (lane < tokens) {
      place = params.places.rows.get()[lane];
      if (place.position >= params.index_topk) pages = place.position / kPageSize + 1;
    }
    end = pages;
#pragma unroll
    for (int distance = 1; distance < kMaxRows; distance *= 2) {
      const int other = __shfl_up_sync(kAllLanes, end, distance);
      if (lane >= distance) end += other;
    }
    total = __shfl_sync(kAllLanes, end, kMaxRows - 1);
  }

  // The pages from `first` on, up to `last`, that belong to one token.
  __device__ PageRange range(const ScoreParams& params, int first, int last) const {
    const int token = __popc(__ballot_sync(kAllLanes, end <= first) & 0xffffU);
    const int begin = __shfl_sync(kAllLanes, end - pages, token);
    const int sequence = __shfl_sync(kAllLanes, place.sequence, token);
    return {token, __shfl_sync(kAllLanes, place.position, token),
            params.places.pages.get() + sequence * params.places.pages_per_sequence, first - begin,
            min(last, __shfl_sync(kAllLanes, end, token)) - begin};
  }
};

template <int kHeadParts>
__device__ __forceinline__ void score_block(const ScoreParams& params, int tokens, int block,
                                            int blocks, Shared& shared) {
  Shares shares;
  shares.read(params, tokens);
  const int share = (shares.total + blocks - 1) / blocks;
  const int last = min(share * (block + 1), shares.total);
  for (int first = share * block; first < last;) {
    const PageRange range = shares.range(params, first, last);
    send_for_queries(params, range.token, range.position, shared.queries);
    int pages[kStages - 1];
#pragma unroll
    for (int i = 0; i < kStages - 1; ++i) pages[i] = page_at(range, range.first + i);
#pragma unroll
    for (int i = 0; i < kStages - 1; ++i) {
      fetch_page(params, range, range.first + i, pages[i], shared);
    }
    prepare_queries<kStages - 1>(params, range.token, shared.queries);
    score_pages<kHeadParts>(params, range, shared);
    first += range.end - range.first;
    if (first < last) __syncthreads();
  }
}

}  // namespace scores

template <int kHeadParts, class Gate>
__device__ __forceinline__ void scores_block(const ScoreLaunch& params, Cta cta,
                                             unsigned char* memory, Gate gate) {
  // The last CTAs absorb before they score: with few pages they have nothing else to do.
  const int absorb_block = cta.index - (cta.count - params.absorb_ctas);
  const int warp = threadIdx.x / 32;
  const int tile = absorb_block * scores::kWarps + warp;
  WeightChunk* weights = reinterpret_cast<WeightChunk*>(memory) + warp * scores::kMaxChunks;
  if (absorb_block >= 0) scores::fetch_tile(params.absorb, tile, weights);
  gate.pass();
  if (absorb_block >= 0) scores::absorb_tile(params.absorb, params.tokens, tile, weights);
  if (params.score.heads == 0) return;
  __syncthreads();  // the pages take the place of the weights
  scores::score_block<kHeadParts>(params.score, params.tokens, cta.index, cta.count,
                                  *reinterpret_cast<scores::Shared*>(memory));
}

template <int kHeadParts>
__global__ void __launch_bounds__(scores::kThreads, 2)
    score_kernel(const __grid_constant__ ScoreLaunch params) {
  extern __shared__ __align__(128) unsigned char memory[];
  [[maybe_unused]] const LaunchScope scope{};
  scores_block<kHeadParts>(params, this_cta(), memory, LaunchGate{});
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
