// PTX to the checker's form. Calls of functions with a body are lowered in place.
#pragma once

#include "check/lower/ir.h"
#include "code/ptx/module.h"

namespace slipstream::check::from_ptx {

// `entry` is a function of `module` with a body.
Function lower(const slipstream::ptx::Module& module, const slipstream::ptx::Function& entry);

// 90 for "sm_90a".
uint32_t architecture_of(const slipstream::ptx::Module& module);

}  // namespace slipstream::check::from_ptx
