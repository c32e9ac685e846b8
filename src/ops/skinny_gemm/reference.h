// The plain C++ form of the matrix product: fp64 sums, one rounding.
#pragma once

#include "ops/skinny_gemm/params.h"

namespace slipstream::ops {

// The same parameters as the kernel's, with pointers to host memory.
void skinny_gemm_reference(const SkinnyGemmParams& params);

}  // namespace slipstream::ops
