// Index scores over the paged keys, and the absorbed queries.
//
// Every CTA has a run of one token's pages, for which it prepares the query heads itself: that takes
// longer than the first page does to come. A warp copies pages, eight multiply; the last of them
// absorb a tile of W_UK each, when the scores are made.
//
// PDL: W_UK, barriers, positions and page numbers before the wait; queries, caches and scores after it.
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

// The warps that multiply.
__device__ __forceinline__ void score_run(const ScoreParams& params, const PageRun& run,
                                          Shared& shared) {
  const Query query(params, run.token, run.position);
  query.store(shared.queries);
  cuda::publish_to_products();
  sync_multipliers();
  score_pages(params, run, shared.queries, shared.ring);
}

}  // namespace scores

template <class Gate>
__device__ __forceinline__ void scores_block(const ScoreLaunch& params, Cta cta,
                                             unsigned char* memory, Gate gate) {
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int absorber = warp - (scores::kWarps - params.absorb_warps);
  const bool absorbs = absorber >= 0 && warp < scores::kWarps;
  const int tile = cta.index * params.absorb_warps + absorber;
  const bool has_pages = params.score.heads > 0;
  const scores::LaneToken token(params.score, has_pages ? params.tokens : 0);
  auto& shared = *reinterpret_cast<scores::Shared*>(memory);
  WeightChunk* weights = reinterpret_cast<WeightChunk*>(memory + params.weights_offset) +
                         absorber * scores::absorb_chunks(params.absorb);
  if (absorbs) scores::fetch_tile(params.absorb, tile, weights);
  scores::PageRun run;
  scores::PageCopier copier;
  if (has_pages) {
    run = scores::find_run(params.score, token, params.tokens, cta);
    if (warp == scores::kWarps) {
      shared.ring.initialize();
      copier = scores::PageCopier(params.score, run);
    }
    __syncthreads();
  }
  if (warp == scores::kWarps && run.first < run.end) {
    gate.pass();
    copier.copy(params.score, shared.ring);
    return;
  }
  gate.pass();
  if (warp < scores::kWarps && run.first < run.end) scores::score_run(params.score, run, shared);
  if (absorbs) scores::absorb_tile(params.absorb, params.tokens, tile, weights);
}

// So few registers that a CTA of select_keys finds room next to one.
__global__ void __maxnreg__(80) score_kernel(const __grid_constant__ ScoreLaunch params) {
  extern __shared__ __align__(128) unsigned char memory[];
  [[maybe_unused]] const LaunchScope scope{};
  scores_block(params, this_cta(), memory, LaunchGate{});
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
