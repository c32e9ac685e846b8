#include <algorithm>

#include "ops/per_token_group_quant/kernel.cuh"
#include "ops/per_token_group_quant/launch.h"
#include "ops/support/limits.h"

namespace slipstream::ops {
inline namespace SLIPSTREAM_VARIANT {

const pdl::KernelDeclaration kPerTokenGroupQuantDeclaration{
    .name = "per_token_group_quant_8bit",
    .symbol = "slipstream::ops::" SLIPSTREAM_VARIANT_NAME "::per_token_group_quant_kernel",
    .waits = true,
    .fields = kPerTokenGroupQuantFields,
};

namespace {

// Whole warps along a row, few CTAs idle at its end; several rows per CTA where rows are short. Two
// warps per CTA while there are few, so that they spread over the multiprocessors.
pdl::LaunchShape launch_shape(const PerTokenGroupQuantParams& params) {
  constexpr int64_t kWarp = 32;
  constexpr int64_t kMaskedGridY = 64;  // experts seldom have many tokens: a CTA loops over them
  constexpr int64_t kFewLanes = 16896;  // 128 for each multiprocessor of an H200
  const int64_t lanes = params.columns / cuda::kPack;
  const bool few = lanes * params.tokens * params.experts <= kFewLanes;
  const int64_t most = few ? 2 * kWarp : kQuantMaxThreads;
  const int64_t chunks = (lanes + most - 1) / most;
  const int64_t width = ((lanes + chunks - 1) / chunks + kWarp - 1) / kWarp * kWarp;
  const int64_t height = std::clamp<int64_t>(params.tokens, 1, most / width);
  const int64_t rows = (params.tokens + height - 1) / height;
  const int64_t most_rows = params.masked_m.get() == nullptr ? kMaxGridY : kMaskedGridY;
  return {.grid = dim3((lanes + width - 1) / width, std::min(rows, most_rows), params.experts),
          .block = dim3(width, height)};
}

template <DType kInput>
void launch_for(const PerTokenGroupQuantParams& params, const pdl::LaunchOptions& options) {
  using Plain = GroupQuantConfig<kInput, false>;
  using Silu = GroupQuantConfig<kInput, true>;
  pdl::launch(kPerTokenGroupQuantDeclaration,
              params.fuse_silu_and_mul ? per_token_group_quant_kernel<Silu>
                                       : per_token_group_quant_kernel<Plain>,
              launch_shape(params), options, params);
}

}  // namespace

void launch_per_token_group_quant(const PerTokenGroupQuantParams& params,
                                  const pdl::LaunchOptions& options) {
  switch (params.input_dtype) {
    case DType::kBFloat16:
      return launch_for<DType::kBFloat16>(params, options);
    case DType::kFloat16:
      return launch_for<DType::kFloat16>(params, options);
    default:
      return launch_for<DType::kFloat32>(params, options);
  }
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::ops
