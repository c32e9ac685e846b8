#include "ops/skinny_gemm/operators.h"

#include <utility>

#include "ops/kernels.h"

namespace slipstream::ops {
namespace {

constexpr int64_t kColumnMultiple = 128;
constexpr int64_t kMaxSize = 1 << 20;

// The names that the operator's caller knows, and the limits that differ.
struct Names {
  const char* activations;
  const char* weights;
  int64_t row_multiple;
  int64_t row_maximum;
};

// `w` is [rows, columns].
SkinnyGemmParams check_product(const Arguments& arguments, const Names& names, const Tensor& x,
                               const Tensor& w, const Tensor& output) {
  arguments.rank(names.activations, x, {2});
  arguments.rank("output", output, {2});
  arguments.dtype(names.activations, x, {DType::kBFloat16});
  arguments.dtype(names.weights, w, {DType::kBFloat16});
  arguments.range("M (tokens)", x.shape[0], 0, kSkinnyGemmMaxTokens);
  arguments.range("K (columns)", x.shape[1], kColumnMultiple, kMaxSize);
  arguments.multiple("K (columns)", x.shape[1], kColumnMultiple);
  arguments.range("N (rows of the weights)", w.shape[0], names.row_multiple, names.row_maximum);
  arguments.multiple("N (rows of the weights)", w.shape[0], names.row_multiple);
  arguments.size("output", output, 0, {x.shape[0], "(M)"});
  arguments.size("output", output, 1, {w.shape[0], "(N)"});
  arguments.last_axis_contiguous(names.activations, x);
  arguments.last_axis_contiguous(names.weights, w);
  arguments.last_axis_contiguous("output", output);
  arguments.aligned(names.activations, x, 16);
  arguments.aligned(names.weights, w, 16);
  arguments.aligned("output", output, size_of(output.dtype));
  arguments.on_device(names.activations, x);
  arguments.on_device(names.weights, w);
  arguments.on_device("output", output);
  arguments.no_self_overlap("output", output);
  arguments.disjoint("output", output, names.activations, x);
  arguments.disjoint("output", output, names.weights, w);

  SkinnyGemmParams params;
  params.activations = {static_cast<const __nv_bfloat16*>(x.data)};
  params.weights = {static_cast<const __nv_bfloat16*>(w.data)};
  params.output = {output.data};
  params.activation_stride = x.strides[0];
  params.weight_stride = w.strides[0];
  params.output_stride = output.strides[0];
  params.tokens = static_cast<int>(x.shape[0]);
  params.rows = static_cast<int>(w.shape[0]);
  params.columns = static_cast<int>(x.shape[1]);
  params.output_is_float32 = output.dtype == DType::kFloat32;
  return params;
}

}  // namespace

SkinnyGemmParams check_dsv3_router_gemm(const Arguments& arguments, const Tensor& hidden_states,
                                        const Tensor& router_weights, const Tensor& output) {
  constexpr int64_t kMaxExperts = 1024;
  arguments.rank("hidden_states", hidden_states, {2});
  arguments.rank("router_weights", router_weights, {2});
  arguments.size("router_weights", router_weights, 1,
                 {hidden_states.shape[1], "(K, as hidden_states has)"});
  arguments.dtype("output", output, {DType::kBFloat16, DType::kFloat32});
  return check_product(arguments, {"hidden_states", "router_weights", 8, kMaxExperts},
                       hidden_states, router_weights, output);
}

SkinnyGemmParams check_dsv3_fused_a_gemm(const Arguments& arguments, const Tensor& mat_a,
                                         const Tensor& mat_b, const Tensor& output) {
  arguments.rank("mat_a", mat_a, {2});
  arguments.rank("mat_b", mat_b, {2});
  arguments.size("mat_b", mat_b, 0, {mat_a.shape[1], "(K, as mat_a has)"});
  if (mat_b.strides[0] != 1) {
    arguments.reject("mat_b",
                     "column-major, [K, N] with strides [1, row]: the transposed view of a weight",
                     mat_b.describe());
  }
  arguments.dtype("output", output, {DType::kBFloat16});
  Tensor weights = mat_b;
  std::swap(weights.shape[0], weights.shape[1]);
  std::swap(weights.strides[0], weights.strides[1]);
  return check_product(arguments, {"mat_a", "mat_b", 16, kMaxSize}, mat_a, weights, output);
}

void dsv3_router_gemm(const Tensor& hidden_states, const Tensor& router_weights,
                      const Tensor& output, const LaunchOptions& options) {
  current().skinny_gemm_few_rows(
      check_dsv3_router_gemm(Arguments("dsv3_router_gemm"), hidden_states, router_weights, output),
      options);
}

void dsv3_fused_a_gemm(const Tensor& mat_a, const Tensor& mat_b, const Tensor& output,
                       const LaunchOptions& options) {
  current().skinny_gemm_many_rows(
      check_dsv3_fused_a_gemm(Arguments("dsv3_fused_a_gemm"), mat_a, mat_b, output), options);
}

}  // namespace slipstream::ops
