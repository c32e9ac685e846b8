// The first projections of attention (q_a and kv_a as one matrix), bf16, for 1 to 16 tokens.
#include <utility>

#include "ops/skinny_gemm/launch.h"
#include "ops/support/arguments.h"
#include "slipstream/ops.h"

namespace slipstream::ops {

void dsv3_fused_a_gemm(const Tensor& mat_a, const Tensor& mat_b, const Tensor& output,
                       const LaunchOptions& options) {
  const Arguments check("dsv3_fused_a_gemm");
  check.rank("mat_b", mat_b, {2});
  if (mat_b.shape[0] > 1 && mat_b.strides[0] != 1) {
    check.reject("mat_b",
                 "column-major, [K, N] with strides [1, row]: the transposed view of a weight",
                 mat_b.describe());
  }
  check.dtype("output", output, {DType::kBFloat16});
  Tensor weights = mat_b;
  std::swap(weights.shape[0], weights.shape[1]);
  std::swap(weights.strides[0], weights.strides[1]);
  const SkinnyGemmParams params = check_skinny_gemm({.operator_name = "dsv3_fused_a_gemm",
                                                     .activations_name = "mat_a",
                                                     .weights_name = "mat_b",
                                                     .activations = mat_a,
                                                     .weights = weights,
                                                     .output = output,
                                                     .row_multiple = 16});
  launch_many_rows(params, options);
}

}  // namespace slipstream::ops
