// Every kernel of a step, for the tests and checkers that look at compiled code.
#pragma once

#include <span>

#include "slipstream/launch.h"

namespace slipstream::step {

[[nodiscard]] std::span<const pdl::KernelDeclaration* const> kernel_declarations();

}  // namespace slipstream::step
