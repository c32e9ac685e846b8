#include <algorithm>
#include <cstddef>

#include "step/kernels/scores/kernel.cuh"
#include "step/kernels/scores/launch.h"
#include "step/kernels/support/limits.h"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

const pdl::KernelDeclaration kScoreDeclaration{
    .name = "score_keys",
    .symbol = "slipstream::step::kernels::" SLIPSTREAM_VARIANT_NAME "::score_kernel",
    .waits = true,
    .fields = kScoreFields,
};

namespace {

constexpr int ceil_div(int a, int b) { return (a + b - 1) / b; }

static_assert(scores::kWarps * scores::kMaxChunks * sizeof(WeightChunk) <
              sizeof(scores::PageRing::pages));

// One on each multiprocessor, where there are pages or tiles of W_UK for so many.
int scoring_ctas(const ScoreLaunch& params) {
  const auto pages = static_cast<int>(params.tokens * (params.score.score_stride / kPageSize));
  const int tiles = params.absorb.w_uk.tile_count();
  return std::max(std::min(std::max(pages, tiles), device_limits().multiprocessors),
                  ceil_div(tiles, scores::kWarps));
}

// With many tokens a tile takes long enough for fewer to be a CTA's (2.6 instead of 3.1 us at 16 tokens,
// H200, 2026-11-29).
int absorbing_ctas(const ScoreLaunch& params) {
  const int warps = params.tokens > 8 ? scores::kWarps / 2 : scores::kWarps;
  return ceil_div(params.absorb.w_uk.tile_count(), warps);
}

}  // namespace

void launch_scores(ScoreLaunch params, const pdl::LaunchOptions& options) {
  const bool scores = params.score.heads > 0;
  const int tiles = params.absorb.w_uk.tile_count();
  const int ctas = scores ? scoring_ctas(params) : absorbing_ctas(params);
  params.absorb_warps = tiles > 0 ? ceil_div(tiles, ctas) : 0;
  const int weight_bytes = params.absorb_warps * params.absorb.w_uk.groups() *
                           params.absorb.w_uk.chunks_per_group() *
                           static_cast<int>(sizeof(WeightChunk));
  params.free_slots = scores::kSlots - ceil_div(weight_bytes, sizeof(scores::Page));
  params.weights_offset =
      scores ? static_cast<int>(offsetof(scores::Shared, ring) + offsetof(scores::PageRing, pages) +
                                params.free_slots * sizeof(scores::Page))
             : 0;
  pdl::launch(
      kScoreDeclaration, score_kernel,
      {.grid = dim3(ctas),
       .block = dim3(scores ? scores::kThreads : scores::kWarps * 32),
       .dynamic_shared_bytes = scores ? sizeof(scores::Shared) : static_cast<size_t>(weight_bytes)},
      options, params);
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
