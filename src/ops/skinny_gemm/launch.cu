#include "ops/skinny_gemm/kernel.cuh"
#include "ops/skinny_gemm/launch.h"
#include "ops/support/arguments.h"

namespace slipstream::ops {

const pdl::KernelDeclaration kSkinnyGemmDeclaration{
    .name = "skinny_gemm",
    .symbol = "slipstream::ops::skinny_gemm_kernel",
    .waits = true,
    .fields = kSkinnyGemmFields,
};

namespace {

constexpr int kMaximumTokens = 16;
constexpr std::int64_t kColumnMultiple = 128;
constexpr std::int64_t kMaximumSize = 1 << 20;

struct FewRowsEightTokens {
  static constexpr SkinnyGemmConfig kConfig{.row_tiles = 1,
                                            .cluster_ctas = 8,
                                            .token_tiles = 1,
                                            .stage_columns = 1024,
                                            .stages = 1,
                                            .warps = 8,
                                            .look_ahead = 4};
};
struct FewRowsSixteenTokens {
  static constexpr SkinnyGemmConfig kConfig{.row_tiles = 1,
                                            .cluster_ctas = 8,
                                            .token_tiles = 2,
                                            .stage_columns = 1024,
                                            .stages = 1,
                                            .warps = 8,
                                            .look_ahead = 4};
};
struct ManyRowsEightTokens {
  static constexpr SkinnyGemmConfig kConfig{.row_tiles = 2,
                                            .cluster_ctas = 2,
                                            .token_tiles = 1,
                                            .stage_columns = 1024,
                                            .stages = 2,
                                            .warps = 8,
                                            .look_ahead = 4};
};
struct ManyRowsSixteenTokens {
  static constexpr SkinnyGemmConfig kConfig{.row_tiles = 2,
                                            .cluster_ctas = 2,
                                            .token_tiles = 2,
                                            .stage_columns = 1024,
                                            .stages = 2,
                                            .warps = 8,
                                            .look_ahead = 4};
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

}  // namespace

SkinnyGemmParams check_skinny_gemm(const SkinnyGemmArguments& arguments) {
  const Arguments check(arguments.operator_name);
  const Tensor& x = arguments.activations;
  const Tensor& w = arguments.weights;
  const Tensor& out = arguments.output;
  check.rank(arguments.activations_name, x, {2});
  check.rank(arguments.weights_name, w, {2});
  check.rank("output", out, {2});
  check.dtype(arguments.activations_name, x, {DType::kBFloat16});
  check.dtype(arguments.weights_name, w, {DType::kBFloat16});
  check.dtype("output", out, {DType::kBFloat16, DType::kFloat32});
  check.range("M (tokens)", x.shape[0], 0, kMaximumTokens);
  check.range("K (columns)", x.shape[1], kColumnMultiple, kMaximumSize);
  check.multiple("K (columns)", x.shape[1], kColumnMultiple);
  check.size(arguments.weights_name, w, 1, {x.shape[1], "(K)"});
  check.range("N (rows of the weights)", w.shape[0], arguments.row_multiple, kMaximumSize);
  check.multiple("N (rows of the weights)", w.shape[0], arguments.row_multiple);
  check.size("output", out, 0, {x.shape[0], "(M)"});
  check.size("output", out, 1, {w.shape[0], "(N)"});
  check.last_axis_contiguous(arguments.activations_name, x);
  check.last_axis_contiguous(arguments.weights_name, w);
  check.last_axis_contiguous("output", out);
  check.aligned(arguments.activations_name, x, 16);
  check.aligned(arguments.weights_name, w, 16);
  check.aligned("output", out, size_of(out.dtype));
  check.on_device(arguments.activations_name, x);
  check.on_device(arguments.weights_name, w);
  check.on_device("output", out);
  check.no_self_overlap("output", out);
  check.disjoint("output", out, arguments.activations_name, x);
  check.disjoint("output", out, arguments.weights_name, w);

  SkinnyGemmParams params;
  params.activations = {static_cast<const __nv_bfloat16*>(x.data)};
  params.weights = {static_cast<const __nv_bfloat16*>(w.data)};
  params.output = {out.data};
  params.activation_stride = x.strides[0];
  params.weight_stride = w.strides[0];
  params.output_stride = out.strides[0];
  params.tokens = static_cast<int>(x.shape[0]);
  params.rows = static_cast<int>(w.shape[0]);
  params.columns = static_cast<int>(x.shape[1]);
  params.output_is_float32 = out.dtype == DType::kFloat32;
  return params;
}

void launch_few_rows(const SkinnyGemmParams& params, const pdl::LaunchOptions& options) {
  if (params.tokens == 0) return;
  // One stage holds all columns of a CTA, or the other form streams them.
  constexpr SkinnyGemmConfig kConfig = FewRowsEightTokens::kConfig;
  if (params.columns > kConfig.cluster_ctas * kConfig.stage_columns) {
    launch_many_rows(params, options);
  } else if (params.tokens <= 8) {
    launch_shape<FewRowsEightTokens>(params, options);
  } else {
    launch_shape<FewRowsSixteenTokens>(params, options);
  }
}

void launch_many_rows(const SkinnyGemmParams& params, const pdl::LaunchOptions& options) {
  if (params.tokens == 0) return;
  if (params.tokens <= 8) {
    launch_shape<ManyRowsEightTokens>(params, options);
  } else {
    launch_shape<ManyRowsSixteenTokens>(params, options);
  }
}

}  // namespace slipstream::ops
