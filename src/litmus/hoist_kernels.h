// Kernels whose C++ is right, or looks right, and whose compiled code reads too early.
#pragma once

#include "litmus/script.h"

namespace slipstream::litmus {

// All are launched with (const unsigned* data, const Control* control, Slot* slots, int rounds) and
// expect the value 1 in the first word of each thread of the producer, after the wait.
[[nodiscard]] const void* wait_in_loop_const_restrict();
[[nodiscard]] const void* wait_in_loop_plain();
[[nodiscard]] const void* reads_twice_const_restrict();
[[nodiscard]] const void* reads_twice_plain();
[[nodiscard]] const void* one_warp_waits_const_restrict();
[[nodiscard]] const void* one_warp_waits_plain();

}  // namespace slipstream::litmus
