// SASS to the checker's form.
#pragma once

#include "check/lower/ir.h"
#include "code/sass/cubin.h"

namespace slipstream::check::from_sass {

// Unrelated uses of one machine register are different registers in the result.
Function lower(const sass::Kernel& kernel, uint32_t architecture);

}  // namespace slipstream::check::from_sass
