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

// Of each warp's ring, where a launch norms rows: more weights before the wait would delay what the
// launch before still asks for, and the rows themselves. The rest is sent for right after these
// (docs/notes/2026-11-29-drafts.md).
inline constexpr int kNormEarlySlots = 2;

extern const pdl::KernelDeclaration kNormLinearDeclaration;
extern const pdl::KernelDeclaration kPeerNormLinearDeclaration;
extern const pdl::KernelDeclaration kJoinedNormLinearDeclaration;
extern const pdl::KernelDeclaration kPlainLinearDeclaration;
extern const pdl::KernelDeclaration kSiluLinearDeclaration;
extern const pdl::KernelDeclaration kPreparedLinearDeclaration;
extern const pdl::KernelDeclaration kPrepareNormDeclaration;
extern const pdl::KernelDeclaration kPreparePeerNormDeclaration;
extern const pdl::KernelDeclaration kPreparePlainDeclaration;

// Whether a launch of its own, launch_prepare(), makes the operands for all CTAs.
[[nodiscard]] bool is_prepared(const LinearParams& linear, const NormInput& input);
void launch_prepare(const LinearParams& linear, const NormInput& input,
                    const pdl::LaunchOptions& options);

// With an embedding the input is the step's tokens; with the deltas of several ranks it polls.
void launch_norm_linear(LinearLaunch<NormInput> params, const pdl::LaunchOptions& options);
void launch_joined_norm_linear(LinearLaunch<JoinedNormInput> params,
                               const pdl::LaunchOptions& options);
void launch_plain_linear(LinearLaunch<PlainInput> params, const pdl::LaunchOptions& options);
void launch_silu_linear(LinearLaunch<SiluInput> params, const pdl::LaunchOptions& options);

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
