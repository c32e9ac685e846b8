// What a linker of device code would complain about.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/program/linked_modules.h"

namespace slipstream::emulator {

// A sentence for each name that is used and nowhere defined, in each module, and for each that two modules define.
// `is_provided` says of a function whether the device has it.
std::vector<std::string> link_problems(const LinkedModules& modules,
                                       const std::function<bool(std::string_view)>& is_provided);

}  // namespace slipstream::emulator
