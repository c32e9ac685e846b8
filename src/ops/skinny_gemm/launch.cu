#include "ops/skinny_gemm/gemv_kernel.cuh"
#include "ops/skinny_gemm/kernel.cuh"
#include "ops/skinny_gemm/launch.h"

namespace slipstream::ops {
inline namespace SLIPSTREAM_VARIANT {

const pdl::KernelDeclaration kSkinnyGemmDeclaration{
    .name = "skinny_gemm",
    .symbol = "slipstream::ops::" SLIPSTREAM_VARIANT_NAME "::skinny_gemm_kernel",
    .waits = true,
    .fields = kSkinnyGemmFields,
};
const pdl::KernelDeclaration kSkinnyGemvDeclaration{
    .name = "skinny_gemv",
    .symbol = "slipstream::ops::" SLIPSTREAM_VARIANT_NAME "::skinny_gemv_kernel",
    .waits = true,
    .fields = kSkinnyGemmFields,
};

namespace {

// Up to 8 tokens are one tile, up to 16 two.
template <int kTokenTiles>
struct FewRows {
  static constexpr SkinnyGemmConfig kConfig{.row_tiles = 1,
                                            .cluster_ctas = 8,
                                            .token_tiles = kTokenTiles,
                                            .stage_columns = 1024,
                                            .stages = 1,
                                            .warps = 8,
                                            .look_ahead = 4};
};

template <int kTokenTiles>
struct ManyRows {
  static constexpr SkinnyGemmConfig kConfig{.row_tiles = 2,
                                            .cluster_ctas = 2,
                                            .token_tiles = kTokenTiles,
                                            .stage_columns = kTokenTiles == 1 ? 1024 : 512,
                                            .stages = kTokenTiles == 1 ? 2 : 6,
                                            .warps = 8,
                                            .look_ahead = kTokenTiles == 1 ? 8 : 4};
};

template <class Shape>
void launch_shape(const SkinnyGemmParams& params, const pdl::LaunchOptions& options) {
  constexpr SkinnyGemmConfig kConfig = Shape::kConfig;
  const int clusters = (params.rows + kConfig.cluster_rows() - 1) / kConfig.cluster_rows();
  pdl::launch(kSkinnyGemmDeclaration, skinny_gemm_kernel<Shape>,
              {.grid = dim3(clusters * kConfig.cluster_ctas),
               .block = dim3(kConfig.threads()),
               .dynamic_shared_bytes = kConfig.dynamic_shared_bytes(),
               .cluster = dim3(kConfig.cluster_ctas)},
              options, params);
}

// Two rows per CTA: rows must be even.
template <int kTokens>
void launch_gemv(const SkinnyGemmParams& params, const pdl::LaunchOptions& options) {
  pdl::launch(
      kSkinnyGemvDeclaration, skinny_gemv_kernel<kTokens>,
      {.grid = dim3(params.rows / skinny_gemv::kRows), .block = dim3(skinny_gemv::kThreads)},
      options, params);
}

}  // namespace

void launch_few_rows(const SkinnyGemmParams& params, const pdl::LaunchOptions& options) {
  if (params.tokens == 0) return;
  // What does not fit registers or one stage is streamed.
  constexpr SkinnyGemmConfig kConfig = FewRows<1>::kConfig;
  if (params.tokens <= 2 && params.columns <= skinny_gemv::kMaxColumns) {
    params.tokens == 1 ? launch_gemv<1>(params, options) : launch_gemv<2>(params, options);
  } else if (params.columns > kConfig.cluster_ctas * kConfig.stage_columns) {
    launch_many_rows(params, options);
  } else if (params.tokens <= 8) {
    launch_shape<FewRows<1>>(params, options);
  } else {
    launch_shape<FewRows<2>>(params, options);
  }
}

void launch_many_rows(const SkinnyGemmParams& params, const pdl::LaunchOptions& options) {
  if (params.tokens == 0) return;
  if (params.tokens <= 8) {
    launch_shape<ManyRows<1>>(params, options);
  } else {
    launch_shape<ManyRows<2>>(params, options);
  }
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::ops
