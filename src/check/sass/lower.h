// SASS to the checker's form.
#pragma once

#include "check/ir.h"
#include "check/sass/cubin.h"

namespace slipstream::check::sass {

// Unrelated uses of one machine register are different registers in the result.
Function lower(const KernelImage& kernel, uint32_t architecture);

}  // namespace slipstream::check::sass
