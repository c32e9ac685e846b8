#include <string>

#include "step/kernels/select/kernel.cuh"
#include "step/kernels/select/launch.h"
#include "step/kernels/support/division.h"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
const pdl::KernelDeclaration kSelectDeclaration{
    .name = "select_keys",
    .symbol = "slipstream::step::kernels::" SLIPSTREAM_VARIANT_NAME "::select_kernel",
    .waits = true,
    .fields = kSelectFields,
};

namespace {

// Many clusters of eight crowd each other: 16 of them take 2 us longer than one. So many tokens
// share what room there is, as long as a CTA's keys stay in its registers.
int cluster_of(const SelectParams& params) {
  constexpr int kManyTokens = 9;
  constexpr int kSmallCluster = 4;
  if (params.score_stride <= select::kTileKeys) return 1;
  const bool is_small = params.score_stride <= kSmallCluster * select::kTileKeys;
  return params.tokens >= kManyTokens && is_small ? kSmallCluster : kSelectCluster;
}

}  // namespace

void launch_select(const SelectParams& params, const pdl::LaunchOptions& options) {
  if (params.score_stride % 4 != 0) {
    throw InvalidArgument("score_stride must be a multiple of 4, is " +
                          std::to_string(params.score_stride));
  }
  const int cluster = cluster_of(params);
  const auto tiles = static_cast<int>(ceil_div(params.score_stride, cluster * select::kTileKeys));
  pdl::launch(kSelectDeclaration, select_kernel,
              {.grid = dim3(cluster, params.tokens),
               .block = dim3(kSelectThreads),
               .dynamic_shared_bytes = select::shared_bytes(params.index_topk, tiles),
               .cluster = dim3(cluster)},
              options, params);
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
