// Index scores over the paged keys, and the absorbed queries in further CTAs of the same launch.
//
// The pages of all tokens that need scores, one behind the other, are shared out evenly among the
// scoring CTAs, whatever the lengths of the sequences. A CTA prepares the query heads of each token
// that it meets.
//
// PDL: W_UK before the wait; queries, positions, caches and scores after it.
#pragma once

#include "engine/kernels/scores/absorb.cuh"
#include "engine/kernels/scores/pages.cuh"
#include "engine/kernels/support/launch_scope.cuh"

namespace slipstream::engine::kernels {
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
  pdl::wait();
  pdl::trigger();
  Shares shares;
  shares.read(params, tokens);
  const int share = (shares.total + blocks - 1) / blocks;
  const int last = min(share * (block + 1), shares.total);
  for (int first = share * block; first < last;) {
    const PageRange range = shares.range(params, first, last);
    send_for_queries(params, range.token, range.position, shared.queries);
    for (int i = 0; i < kStages - 1; ++i) fetch_page(params, range, range.first + i, shared);
    prepare_queries<kStages - 1>(params, range.token, shared.queries);
    score_pages<kHeadParts>(params, range, shared);
    first += range.end - range.first;
    if (first < last) __syncthreads();
  }
}

}  // namespace scores

template <int kHeadParts>
__global__ void __launch_bounds__(scores::kThreads, 2)
    score_kernel(const __grid_constant__ ScoreLaunch params) {
  extern __shared__ __align__(128) unsigned char dynamic[];
  [[maybe_unused]] const LaunchScope scope{};
  const int block = static_cast<int>(blockIdx.x);
  if (block < params.absorb_ctas) {
    const int tile = block * scores::kWarps + static_cast<int>(threadIdx.x) / 32;
    auto* chunks = reinterpret_cast<WeightChunk*>(dynamic);
    scores::absorb_tile(params.absorb, params.tokens, tile,
                        chunks + threadIdx.x / 32 * scores::kMostChunks);
  } else {
    scores::score_block<kHeadParts>(params.score, params.tokens, block - params.absorb_ctas,
                                    static_cast<int>(gridDim.x) - params.absorb_ctas,
                                    *reinterpret_cast<scores::Shared*>(dynamic));
  }
}

}  // namespace slipstream::engine::kernels
