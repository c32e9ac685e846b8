// Ways around what hands the order from one thread to others. R2 asks.
#pragma once

#include <cstdint>

#include "check/analysis/kernel_code.h"

namespace slipstream::check {

// Whether the threads that reach `access` unordered never wait themselves, and come there only by a
// branch that goes around the barrier at which they meet one that does: a tile without work, say,
// for which nothing is loaded and zeros are written.
bool only_by_a_detour(const KernelCode& code, uint32_t access);

}  // namespace slipstream::check
