#pragma once

#include "pdl/variant.h"
#include "slipstream/launch.h"
#include "step/kernels/sample/params.h"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

extern const pdl::KernelDeclaration kSampleDeclaration;
extern const pdl::KernelDeclaration kVerifyDeclaration;
extern const pdl::KernelDeclaration kDrawDeclaration;

// The token after each row; the rows become the next step's.
void launch_sample(const SampleParams& params, const pdl::LaunchOptions& options);
// `tokens` rows of sequences, drafts + 1 each.
void launch_verify(const DraftParams& params, const pdl::LaunchOptions& options);
// One row of each of `tokens` sequences.
void launch_draw(const DraftParams& params, const pdl::LaunchOptions& options);

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
