// Launches of the plain matrix products.
#pragma once

#include "pdl/variant.h"
#include "slipstream/launch.h"
#include "step/kernels/linear/params.h"
#include "step/kernels/linear/plan.h"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

// What the products of the current device are planned by.
[[nodiscard]] const ClusterLimits& linear_limits();

extern const pdl::KernelDeclaration kNormLinearDeclaration;
extern const pdl::KernelDeclaration kPeerNormLinearDeclaration;
extern const pdl::KernelDeclaration kJoinedNormLinearDeclaration;
extern const pdl::KernelDeclaration kPlainLinearDeclaration;
extern const pdl::KernelDeclaration kSiluLinearDeclaration;

// With an embedding the input is the step's tokens; with the deltas of several ranks it polls.
void launch_norm_linear(LinearLaunch<NormInput> params, const pdl::LaunchOptions& options);
void launch_joined_norm_linear(LinearLaunch<JoinedNormInput> params,
                               const pdl::LaunchOptions& options);
void launch_plain_linear(LinearLaunch<PlainInput> params, const pdl::LaunchOptions& options);
void launch_silu_linear(LinearLaunch<SiluInput> params, const pdl::LaunchOptions& options);

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
