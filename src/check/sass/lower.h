// SASS to the checker's form.
#pragma once

#include "check/ir.h"
#include "check/sass/cubin.h"

namespace slipstream::check::sass {

// Registers of the result are those of the machine: split_registers() should follow.
Function lower(const KernelImage& kernel, uint32_t architecture);

}  // namespace slipstream::check::sass
