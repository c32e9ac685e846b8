// Kernels are compiled twice from one source: plain, as they ship, and instrumented, where they can
// record when they start, wait and end, and can be delayed (pdl/instrument). Each copy lives in a
// namespace of its own, `inline namespace SLIPSTREAM_VARIANT`, and host code, which is compiled once,
// reaches the copies through tables of functions.
#pragma once

#if defined(SLIPSTREAM_INSTRUMENT)
#define SLIPSTREAM_VARIANT instrumented
#define SLIPSTREAM_VARIANT_NAME "instrumented"
#else
#define SLIPSTREAM_VARIANT plain
#define SLIPSTREAM_VARIANT_NAME "plain"
#endif
