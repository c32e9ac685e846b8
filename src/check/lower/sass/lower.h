// SASS to the checker's form.
#pragma once

#include "check/lower/ir.h"
#include "code/sass/cubin.h"

namespace slipstream::check::from_sass {

// Unrelated uses of one machine register are different registers in the result.
Function lower(const sass::Kernel& kernel, uint32_t architecture);

// The two steps of it, for callers that look at few kernels closely: most of the time is the
// second's.
Function decode(const sass::Kernel& kernel, uint32_t architecture);
void split_machine_registers(Function& function);

}  // namespace slipstream::check::from_sass
