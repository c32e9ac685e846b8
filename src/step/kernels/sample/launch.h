#pragma once

#include "slipstream/launch.h"
#include "step/kernels/sample/params.h"

namespace slipstream::step::kernels {

extern const pdl::KernelDeclaration kSampleDeclaration;

// The token behind each row; the rows become the next step's.
void launch_sample(const SampleParams& params, const pdl::LaunchOptions& options);

}  // namespace slipstream::step::kernels
