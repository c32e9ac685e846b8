// Launches of the plain matrix products.
#pragma once

#include "engine/kernels/linear/params.h"
#include "engine/kernels/linear/plan.h"
#include "slipstream/launch.h"

namespace slipstream::engine::kernels {

extern const pdl::KernelDeclaration kNormLinearDeclaration;
extern const pdl::KernelDeclaration kPlainLinearDeclaration;
extern const pdl::KernelDeclaration kSiluLinearDeclaration;

// With an embedding the input is the step's tokens.
void launch_norm_linear(LinearLaunch<NormInput> params, const pdl::LaunchOptions& options);
void launch_plain_linear(LinearLaunch<PlainInput> params, const pdl::LaunchOptions& options);
void launch_silu_linear(LinearLaunch<SiluInput> params, const pdl::LaunchOptions& options);

}  // namespace slipstream::engine::kernels
