// Launches of the plain matrix products.
#pragma once

#include "engine/kernels/linear/params.h"
#include "slipstream/launch.h"

namespace slipstream::engine::kernels {

extern const pdl::KernelDeclaration kNormLinearDeclaration;
extern const pdl::KernelDeclaration kPlainLinearDeclaration;
extern const pdl::KernelDeclaration kSiluLinearDeclaration;
extern const pdl::KernelDeclaration kCombineLinearDeclaration;

// Threads and shared memory of a launch that multiplies these segments, with at least
// `least_warps`; sets params.ring_slots.
struct LinearShape {
  int threads;
  std::size_t ring_bytes;
};
[[nodiscard]] LinearShape plan_linear(LinearParams& params, int least_warps = 1);

// One CTA per 16 rows of each segment. With an embedding the input is the step's tokens.
void launch_norm_linear(LinearLaunch<NormInput> params, const pdl::LaunchOptions& options);
void launch_plain_linear(LinearLaunch<PlainInput> params, const pdl::LaunchOptions& options);
void launch_silu_linear(LinearLaunch<SiluInput> params, const pdl::LaunchOptions& options);
void launch_combine_linear(LinearLaunch<CombineInput> params, const pdl::LaunchOptions& options);

}  // namespace slipstream::engine::kernels
