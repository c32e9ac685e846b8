// The plain C++ form of apply_rope_with_cos_sin_cache_inplace.
#pragma once

#include "ops/apply_rope/params.h"

namespace slipstream::ops {

// The same parameters as the kernel's, with pointers to host memory.
void apply_rope_reference(const ApplyRopeParams& params);

}  // namespace slipstream::ops
