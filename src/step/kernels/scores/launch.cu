#include <algorithm>

#include "step/kernels/scores/kernel.cuh"
#include "step/kernels/scores/launch.h"
#include "step/kernels/support/division.h"
#include "step/kernels/support/limits.h"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

const pdl::KernelDeclaration kScoreDeclaration{
    .name = "score_keys",
    .symbol = SLIPSTREAM_STEP_NAME("score_kernel"),
    .waits = true,
    .fields = kScoreFields,
};

namespace {

// From so many pages per multiprocessor on, two CTAs on each hide more of what a page takes.
constexpr int kManyPages = 64;

// One on each multiprocessor, where there are pages or tiles of W_UK for so many: each prepares
// queries, and next to a CTA of project_latent there is room for one. None has pages of two tokens.
int scoring_ctas(ScoreLaunch& params) {
  const auto pages = static_cast<int>(params.tokens * (params.score.score_stride / kPageSize));
  const int tiles = params.absorb.w_uk.tile_count();
  const int processors = device_limits().multiprocessors;
  const bool two_each = pages >= kManyPages * processors;
  params.score.slots = two_each ? scores::kMaxSlots / 2 : scores::kMaxSlots;
  return std::max({two_each ? 2 * processors : std::min(std::max(pages, tiles), processors),
                   ceil_div(tiles, scores::kWarps), params.tokens});
}

// With many tokens a tile takes so long that fewer should be a CTA's.
int absorbing_ctas(const ScoreLaunch& params) {
  const int warps = params.tokens > 8 ? scores::kWarps / 2 : scores::kWarps;
  return ceil_div(params.absorb.w_uk.tile_count(), warps);
}

// CTAs that score keys lie one on each multiprocessor. Those of three tokens rather find room next to the launch
// before (measured on an H200).
size_t least_bytes(int tokens) { return tokens == 3 ? size_t{90} * 1024 : kSpreadingBytes; }

}  // namespace

void launch_scores(ScoreLaunch params, const pdl::LaunchOptions& options) {
  const bool scores = params.score.heads > 0;
  const int tiles = params.absorb.w_uk.tile_count();
  const int ctas = scores ? scoring_ctas(params) : absorbing_ctas(params);
  params.absorb_warps = tiles > 0 ? ceil_div(tiles, ctas) : 0;
  const size_t weight_bytes = static_cast<size_t>(params.absorb_warps) *
                              params.absorb.w_uk.groups() * params.absorb.w_uk.chunks_per_group() *
                              sizeof(WeightChunk);
  const size_t left_out = (scores::kMaxSlots - params.score.slots) * sizeof(scores::Page);
  params.weights_offset = scores ? static_cast<int>(sizeof(scores::Shared) - left_out) : 0;
  const size_t bytes = params.weights_offset + weight_bytes;
  const bool one_each = scores && ctas <= device_limits().multiprocessors;
  pdl::launch(
      kScoreDeclaration, score_kernel,
      {.grid = dim3(ctas),
       .block = dim3(scores ? scores::kThreads : scores::kWarps * 32),
       .dynamic_shared_bytes = one_each ? std::max(bytes, least_bytes(params.tokens)) : bytes},
      options, params);
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
