#include <algorithm>

#include "step/kernels/scores/kernel.cuh"
#include "step/kernels/scores/launch.h"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

const pdl::KernelDeclaration kScoreDeclaration{
    .name = "score_keys",
    .symbol = "slipstream::step::kernels::" SLIPSTREAM_VARIANT_NAME "::score_kernel",
    .waits = true,
    .fields = kScoreFields,
};

namespace {

constexpr int64_t kCtasWanted = 264;  // two for each SM of an H200

}  // namespace

void launch_scores(ScoreLaunch params, const pdl::LaunchOptions& options) {
  params.absorb_ctas = (params.absorb.w_uk.tile_count() + scores::kWarps - 1) / scores::kWarps;
  int64_t ctas = params.absorb_ctas;
  if (params.score.heads > 0) {
    const int64_t pages = params.tokens * (params.score.score_stride / kPageSize);
    ctas = std::max(ctas, std::min(pages + ctas, kCtasWanted));
  }
  const auto kernel = params.score.heads <= 32 ? score_kernel<2> : score_kernel<4>;
  pdl::launch(
      kScoreDeclaration, kernel,
      {.grid = dim3(static_cast<unsigned>(ctas)),
       .block = dim3(scores::kThreads),
       .dynamic_shared_bytes = std::max(sizeof(scores::Shared),
                                        scores::kWarps * scores::kMaxChunks * sizeof(WeightChunk))},
      options, params);
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
