// Decodes a kernel and everything it can call.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "code/ptx/module.h"
#include "emulator/program/linked_modules.h"
#include "emulator/program/program.h"

namespace slipstream::emulator {

// Where a device function's address points, for tables of function pointers.
uint64_t function_address(const LinkedModules& modules, const ptx::Function& function);

// `address_of` gives the device address of a module-scope .global or .const variable. Throws
// LaunchError naming kernel, source line and PTX text where an instruction is not
// supported.
std::unique_ptr<Program> decode_program(
    const LinkedModules& modules, const ptx::Function& kernel,
    const std::function<uint64_t(const ptx::Variable&)>& address_of);

}  // namespace slipstream::emulator
