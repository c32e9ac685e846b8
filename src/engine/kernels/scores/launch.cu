#include <algorithm>

#include "engine/kernels/linear/launch.h"
#include "engine/kernels/scores/kernel.cuh"
#include "engine/kernels/scores/launch.h"

namespace slipstream::engine::kernels {

const pdl::KernelDeclaration kScoreDeclaration{
    .name = "score_keys",
    .symbol = "slipstream::engine::kernels::score_kernel",
    .waits = true,
    .fields = kScoreFields,
};

namespace {

constexpr int kLeastWarps = 4;  // of the scoring CTAs, which share their launch with the absorbing

}  // namespace

void launch_scores(ScoreLaunch params, const pdl::LaunchOptions& options) {
  const bool has_scores = params.score.heads > 0;
  const LinearShape shape = plan_linear(params.absorb, has_scores ? kLeastWarps : 1);
  const auto kernel = params.absorb.tokens <= 8 ? score_kernel<1> : score_kernel<2>;
  const int score_ctas = has_scores ? params.absorb.tokens * params.score.ctas_per_token : 0;
  pdl::launch(kScoreDeclaration, kernel,
              {.grid = dim3(params.absorb.tile_count() + score_ctas),
               .block = dim3(shape.threads),
               .dynamic_shared_bytes = std::max(shape.ring_bytes, sizeof(scores::Queries))},
              options, params);
}

}  // namespace slipstream::engine::kernels
