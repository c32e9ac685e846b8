// First object of every kernel's body: nothing, but in the traced build it records the kernel's
// times (engine/trace/stamp.cuh).
#pragma once

#if defined(SLIPSTREAM_TRACED)
#include "engine/trace/stamp.cuh"
#else
namespace slipstream::engine::kernels {
struct LaunchScope {};
}  // namespace slipstream::engine::kernels
#endif
