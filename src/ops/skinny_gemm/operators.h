// The checked parameters of the two operators built on the skinny matrix product, for the tests that
// run its reference.
#pragma once

#include "ops/skinny_gemm/params.h"
#include "ops/support/arguments.h"
#include "slipstream/ops.h"

namespace slipstream::ops {

[[nodiscard]] SkinnyGemmParams check_dsv3_router_gemm(const Arguments& arguments,
                                                      const Tensor& hidden_states,
                                                      const Tensor& router_weights,
                                                      const Tensor& output);
[[nodiscard]] SkinnyGemmParams check_dsv3_fused_a_gemm(const Arguments& arguments,
                                                       const Tensor& mat_a, const Tensor& mat_b,
                                                       const Tensor& output);

}  // namespace slipstream::ops
