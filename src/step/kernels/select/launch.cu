#include <string>

#include "step/kernels/select/kernel.cuh"
#include "step/kernels/select/launch.h"
#include "step/kernels/support/division.h"
#include "step/kernels/support/limits.h"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
const pdl::KernelDeclaration kSelectDeclaration{
    .name = "select_keys",
    .symbol = SLIPSTREAM_STEP_NAME("select_kernel"),
    .waits = true,
    .fields = kSelectFields,
};

namespace {

// As few CTAs as have all keys in their registers. Many clusters crowd each other, 16 of eight take
// 2 us longer than one, and not every GPU has room for sixteen CTAs that are neighbors.
int cluster_of(const SelectParams& params) {
  constexpr int kFewTokens = 4;
  constexpr int kManyTokens = 9;
  constexpr int kSmallCluster = 4;
  constexpr int kCluster = 8;
  const auto has_room = [&](int ctas) { return params.score_stride <= ctas * select::kTileKeys; };
  if (params.tokens >= kManyTokens && has_room(kSmallCluster)) return kSmallCluster;
  if (has_room(kCluster) || params.tokens > kFewTokens) return kCluster;
  const auto* kernel = reinterpret_cast<const void*>(select_kernel<false>);
  return cluster_limits(kernel).most(kSelectCluster) >= params.tokens ? kSelectCluster : kCluster;
}

// A CTA for each token, of as many threads as there can be. Where one of half as many has room for all keys,
// too, it is as fast or faster all the same: it has no code to share with others (measured on an H200).
void launch_lone(const SelectParams& params, const pdl::LaunchOptions& options) {
  pdl::launch(kSelectDeclaration, select_kernel<true>,
              {.grid = dim3(1, params.tokens),
               .block = dim3(kLoneThreads),
               .dynamic_shared_bytes = select::shared_bytes(params.index_topk, 1)},
              options, params);
}

}  // namespace

void launch_select(const SelectParams& params, const pdl::LaunchOptions& options) {
  if (params.score_stride % 4 != 0) {
    throw InvalidArgument("score_stride must be a multiple of 4, is " +
                          std::to_string(params.score_stride));
  }
  if (params.score_stride <= select::kLoneKeys) {
    launch_lone(params, options);
    return;
  }
  const int cluster = cluster_of(params);
  const auto tiles = static_cast<int>(ceil_div(params.score_stride, cluster * select::kTileKeys));
  pdl::launch(kSelectDeclaration, select_kernel<false>,
              {.grid = dim3(cluster, params.tokens),
               .block = dim3(kSelectThreads),
               .dynamic_shared_bytes = select::shared_bytes(params.index_topk, tiles),
               .cluster = dim3(cluster)},
              options, params);
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
