#pragma once

#include "pdl/variant.h"
#include "slipstream/launch.h"
#include "step/kernels/values/params.h"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

extern const pdl::KernelDeclaration kValuesDeclaration;

// Combination of attention's splits; W_UV.
void launch_values(const ValuesParams& params, const pdl::LaunchOptions& options);

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
