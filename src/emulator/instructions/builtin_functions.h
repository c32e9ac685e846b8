// Functions that a device provides without PTX: vprintf, __assertfail, malloc and free.
#pragma once

#include <string_view>

#include "emulator/program/operation.h"

namespace slipstream::emulator {

// The handler of a call of that function (immediate: the CallSite); null if unknown.
Handler find_builtin(std::string_view name);
// Whether that function allocates from the device's heap, or gives back to it.
bool uses_heap(std::string_view name);

}  // namespace slipstream::emulator
