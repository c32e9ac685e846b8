// What the two operators built on the skinny matrix product share on the host.
#pragma once

#include "ops/skinny_gemm/params.h"
#include "ops/support/arguments.h"
#include "slipstream/launch.h"
#include "slipstream/tensor.h"

namespace slipstream::ops {

extern const pdl::KernelDeclaration kSkinnyGemmDeclaration;
extern const pdl::KernelDeclaration kSkinnyGemvDeclaration;

// Check everything and return the parameters. Throw InvalidArgument.
[[nodiscard]] SkinnyGemmParams check_dsv3_router_gemm(const Arguments& arguments,
                                                      const Tensor& hidden_states,
                                                      const Tensor& router_weights,
                                                      const Tensor& output);
[[nodiscard]] SkinnyGemmParams check_dsv3_fused_a_gemm(const Arguments& arguments,
                                                       const Tensor& mat_a, const Tensor& mat_b,
                                                       const Tensor& output);

// Few rows (a router). One or two tokens: two rows per CTA, weights in registers. More: eight CTAs
// share the columns of 16 rows, and hold all of them before the wait.
void launch_few_rows(const SkinnyGemmParams& params, const pdl::LaunchOptions& options);
// Many rows (a projection): two CTAs share the columns of 32 rows and stream them.
void launch_many_rows(const SkinnyGemmParams& params, const pdl::LaunchOptions& options);

}  // namespace slipstream::ops
