// Starts the kernel of apply_q_scale_and_softmax_scale.
#pragma once

#include "ops/q_scale/params.h"
#include "pdl/variant.h"
#include "slipstream/launch.h"

namespace slipstream::ops {
inline namespace SLIPSTREAM_VARIANT {

extern const pdl::KernelDeclaration kQScaleDeclaration;

void launch_q_scale(const QScaleParams& params, const pdl::LaunchOptions& options);

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::ops
