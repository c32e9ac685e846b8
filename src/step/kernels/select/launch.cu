#include <algorithm>
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

void launch_select(const SelectParams& params, const pdl::LaunchOptions& options) {
  if (params.score_stride % 4 != 0) {
    throw InvalidArgument("score_stride must be a multiple of 4, is " +
                          std::to_string(params.score_stride));
  }
  const int cluster =
      params.score_stride <= select::kTileKeys
          ? 1
          : std::min(ceil_div(params.score_stride, kSelectLeastKeys), kSelectCluster);
  const auto most_keys = std::min<int64_t>(
      params.score_stride, std::max(ceil_div(params.score_stride, cluster), kSelectLeastKeys) + 4);
  const int64_t slice_words = cluster == 1 ? 0 : most_keys + most_keys / kPageSize + 2;
  const int64_t words = std::max<int64_t>(slice_words, params.index_topk);
  pdl::launch(kSelectDeclaration, select_kernel,
              {.grid = dim3(cluster, params.tokens),
               .block = dim3(kSelectThreads),
               .dynamic_shared_bytes = select::kSharedBytes + words * sizeof(float),
               .cluster = dim3(cluster)},
              options, params);
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
