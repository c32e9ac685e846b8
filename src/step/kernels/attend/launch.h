#pragma once

#include "pdl/variant.h"
#include "slipstream/launch.h"
#include "step/kernels/attend/params.h"

namespace slipstream::step::kernels::inline SLIPSTREAM_VARIANT {

extern const pdl::KernelDeclaration kAttendDeclaration;

void launch_attend(const AttendParams& params, const pdl::LaunchOptions& options);

}  // namespace slipstream::step::kernels::inline SLIPSTREAM_VARIANT
