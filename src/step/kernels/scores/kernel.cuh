// Index scores over the paged keys, and the absorbed queries.
//
// Every CTA has a run of pages, for whose tokens it prepares the query heads itself: that takes
// little longer than the first page does to come. A warp copies pages, eight multiply; the last of
// them absorb a tile of W_UK each before.
//
// PDL: W_UK and barriers before the wait; queries, positions, caches and scores after it.
#pragma once

#include "step/kernels/scores/absorb.cuh"
#include "step/kernels/scores/pages.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace scores {

struct Shared {
  QueryShared queries;
  PageRing ring;
};

// The warps that multiply: the tokens of the CTA's pages, one after the other.
__device__ __forceinline__ void score_tokens(const ScoreParams& params, const Shares& shares,
                                             PageRun run, Shared& shared) {
  PageReader reader(static_cast<int>(threadIdx.x) / 128);
  for (int first = 0; run.first + first < run.end;) {
    const TokenPages token = shares.pages_from(first, run);
    const Query query(params, token.token, token.position);
    if (first > 0) sync_multipliers();  // nobody needs the queries before
    query.store(shared.queries);
    cuda::publish_to_products();
    sync_multipliers();
    reader.score(params, token, token.end, shared.queries, shared.ring);
    first = token.end;
  }
}

}  // namespace scores

template <class Gate>
__device__ __forceinline__ void scores_block(const ScoreLaunch& params, Cta cta,
                                             unsigned char* memory, Gate gate) {
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int absorber = warp - (scores::kWarps - params.absorb_warps);
  const bool absorbs = absorber >= 0 && warp < scores::kWarps;
  const int tile = cta.index * params.absorb_warps + absorber;
  auto& shared = *reinterpret_cast<scores::Shared*>(memory);
  WeightChunk* weights = reinterpret_cast<WeightChunk*>(memory + params.weights_offset) +
                         absorber * scores::absorb_chunks(params.absorb);
  if (absorbs) scores::fetch_tile(params.absorb, tile, weights);
  if (params.score.heads > 0) {
    if (threadIdx.x == 0) shared.ring.initialize();
    __syncthreads();
  }
  gate.pass();
  const bool scores = params.score.heads > 0;
  scores::Shares shares(params.score, scores ? params.tokens : 0);
  if (absorbs) scores::absorb_tile(params.absorb, params.tokens, tile, weights);
  if (!scores) return;
  shares.count();
  const scores::PageRun run = shares.run(cta);
  if (warp == scores::kWarps) {
    scores::copy_pages(params.score, shares, run, shared.ring);
  } else {
    scores::score_tokens(params.score, shares, run, shared);
  }
}

__global__ void __launch_bounds__(scores::kThreads, 2)
    score_kernel(const __grid_constant__ ScoreLaunch params) {
  extern __shared__ __align__(128) unsigned char memory[];
  [[maybe_unused]] const LaunchScope scope{};
  scores_block(params, this_cta(), memory, LaunchGate{});
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
