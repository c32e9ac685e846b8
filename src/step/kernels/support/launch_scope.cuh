// First object of every kernel's body: nothing, but in the traced build it records the kernel's
// times (pdl/instrument/stamp.cuh).
#pragma once

#if defined(SLIPSTREAM_TRACED)
#include "pdl/instrument/stamp.cuh"
#else
namespace slipstream::step::kernels {
struct LaunchScope {};
}  // namespace slipstream::step::kernels
#endif
