#pragma once

#include "pdl/variant.h"
#include "slipstream/launch.h"
#include "step/kernels/attend/params.h"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

extern const pdl::KernelDeclaration kAttendDeclaration;

void launch_attend(const AttendParams& params, const pdl::LaunchOptions& options);

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
