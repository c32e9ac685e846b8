// PTX to the checker's form. Calls of functions with a body are lowered in place.
#pragma once

#include "check/ir.h"
#include "emulator/ptx/module.h"

namespace slipstream::check::ptx {

// `entry` is a function of `module` with a body.
Function lower(const emulator::ptx::Module& module, const emulator::ptx::Function& entry);

// 90 for "sm_90a".
uint32_t architecture_of(const emulator::ptx::Module& module);

}  // namespace slipstream::check::ptx
