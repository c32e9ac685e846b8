// The plain C++ form of mla_rope_quantize_fp8.
#pragma once

#include "ops/mla_rope_quantize_fp8/params.h"

namespace slipstream::ops {

// The same parameters as the kernel's, with pointers to host memory.
void mla_rope_quantize_fp8_reference(const MlaRopeQuantizeFp8Params& params);

}  // namespace slipstream::ops
