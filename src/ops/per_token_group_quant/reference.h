// The plain C++ form of per_token_group_quant_8bit.
#pragma once

#include "ops/per_token_group_quant/params.h"

namespace slipstream::ops {

// The same parameters as the kernel's, with pointers to host memory. silu is computed in fp64 and
// rounded to the input's dtype, so after fuse_silu_and_mul the kernel's fp32 silu may differ in the
// last bit; everything else is exact.
void per_token_group_quant_reference(const PerTokenGroupQuantParams& params);

}  // namespace slipstream::ops
