// The variant that the kernels are compiled as (pdl/variant.h): instrumented ones have hooks in
// pdl::wait(), pdl::trigger() and LaunchScope, plain ones have none.
#pragma once

#include "pdl/variant.h"
#include "slipstream/pdl.cuh"

#if defined(SLIPSTREAM_INSTRUMENT)
#include "pdl/instrument/hooks.cuh"
#endif

namespace slipstream::ops {
inline namespace SLIPSTREAM_VARIANT {

#if defined(SLIPSTREAM_INSTRUMENT)
namespace pdl = instrument::pdl;
using instrument::LaunchScope;
#else
// First object of every kernel's body.
struct LaunchScope {};
#endif

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::ops
