#include <algorithm>

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

int ceil_div(int a, int b) { return (a + b - 1) / b; }

// One on each multiprocessor, where there are pages or tiles for so many.
int scoring_ctas(const ScoreLaunch& params) {
  const auto pages = static_cast<int>(params.tokens * (params.score.score_stride / kPageSize));
  return std::min(std::max(pages, params.absorb.w_uk.tile_count()),
                  device_limits().multiprocessors);
}

}  // namespace

void launch_scores(ScoreLaunch params, const pdl::LaunchOptions& options) {
  const bool scores = params.score.heads > 0;
  const int tiles = params.absorb.w_uk.tile_count();
  const int ctas = std::max(ceil_div(tiles, scores::kWarps), scores ? scoring_ctas(params) : 0);
  params.absorb_warps = ctas > 0 ? ceil_div(tiles, ctas) : 0;
  params.weights_offset = scores ? static_cast<int>(sizeof(scores::Shared)) : 0;
  const size_t weight_bytes = static_cast<size_t>(params.absorb_warps) *
                              params.absorb.w_uk.groups() * params.absorb.w_uk.chunks_per_group() *
                              sizeof(WeightChunk);
  pdl::launch(kScoreDeclaration, score_kernel,
              {.grid = dim3(ctas),
               .block = dim3(scores ? scores::kThreads : scores::kWarps * 32),
               .dynamic_shared_bytes = params.weights_offset + weight_bytes},
              options, params);
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
