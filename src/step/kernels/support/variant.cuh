// The variant that the kernels are compiled as (pdl/variant.h): instrumented ones have hooks in
// pdl::wait(), pdl::trigger() and LaunchScope, plain ones have none.
#pragma once

#include "pdl/variant.h"
#include "slipstream/pdl.cuh"

#if defined(SLIPSTREAM_INSTRUMENT)
#include "pdl/instrument/hooks.cuh"
#endif

// A name in the namespace of these kernels, as their declarations have it.
#define SLIPSTREAM_STEP_NAME(name) "slipstream::step::kernels::" SLIPSTREAM_VARIANT_NAME "::" name

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

#if defined(SLIPSTREAM_INSTRUMENT)
namespace pdl = instrument::pdl;
using instrument::LaunchScope;
#else
// First object of every kernel's body.
struct LaunchScope {};
#endif

// Each kernel is a thin __global__ function around a block: a device function that does the work of
// one CTA and takes its place in the grid, its shared memory and a gate, so that a kernel that runs
// many blocks in turn can call it as well.

// Of a grid in one dimension.
struct Cta {
  int index;
  int count;
};

__device__ __forceinline__ Cta this_cta() {
  return {static_cast<int>(blockIdx.x), static_cast<int>(gridDim.x)};
}

// Where a block waits for what launches before it wrote. Of a block that is a launch of its own.
struct LaunchGate {
  __device__ __forceinline__ void pass() const {
    pdl::wait();
    pdl::trigger();
  }
  // The other way round, for a block that needs nothing of the launch before but what it polls for
  // (docs/ranks.md). Whoever waits for this launch waits for that one, too.
  __device__ __forceinline__ void let_next_start() const { pdl::trigger(); }
  __device__ __forceinline__ void wait() const { pdl::wait(); }
};

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
