// Functions that a device provides without PTX: vprintf and __assertfail.
#pragma once

#include <string_view>

#include "emulator/program/operation.h"

namespace slipstream::emulator {

// The handler of a call of that function (immediate: the CallSite); null if unknown.
Handler find_builtin(std::string_view name);

}  // namespace slipstream::emulator
