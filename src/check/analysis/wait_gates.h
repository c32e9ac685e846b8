// Waits that a parameter of the kernel switches on: `if (use_pdl) wait`.
#pragma once

#include <cstdint>
#include <vector>

#include "check/lower/ir.h"

namespace slipstream::check {

// A branch past a wait, or a guarded wait, that depends on parameters alone. The host sets the
// parameter where it sets the launch attribute, which the kernel does not show.
struct WaitGate {
  uint32_t instruction = 0;
  std::vector<int64_t> parameters;  // byte offsets that the condition is made of
};

// Finds the gates of a kernel and takes every one of them as passed: afterwards the wait is executed.
// Only what skips the wait and nothing else is a gate. `if (n > 0) { wait; read; } write;` is none:
// there the write is early where n is 0.
std::vector<WaitGate> open_wait_gates(Function& function);

}  // namespace slipstream::check
