#pragma once

#include "engine/kernels/values/params.h"
#include "slipstream/launch.h"

namespace slipstream::engine::kernels {

extern const pdl::KernelDeclaration kValuesDeclaration;

// Combination of attention's splits; W_UV.
void launch_values(const ValuesParams& params, const pdl::LaunchOptions& options);

}  // namespace slipstream::engine::kernels
