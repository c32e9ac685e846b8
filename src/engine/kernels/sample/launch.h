#pragma once

#include "engine/kernels/sample/params.h"
#include "slipstream/launch.h"

namespace slipstream::engine::kernels {

extern const pdl::KernelDeclaration kSampleDeclaration;

// The token behind each row; the rows become the next step's.
void launch_sample(const SampleParams& params, const pdl::LaunchOptions& options);

}  // namespace slipstream::engine::kernels
