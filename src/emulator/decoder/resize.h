// Small operations that the builder puts around an instruction to fit registers to it.
#pragma once

#include <cstdint>

#include "emulator/decoder/draft.h"
#include "emulator/program/operation.h"

namespace slipstream::emulator {

// Operand 0 = operand 1, cut, zero-extended or sign-extended to the width of operand 0.
Handler resize_handler(RegisterClass from, RegisterClass to, bool is_signed);
// 64-bit operand 0 = operand 1 + operand 2.
Step add_addresses(const Operation& operation, Warp& warp, uint32_t executing);
// Predicate operand 0 = not operand 1.
Step negate_predicate(const Operation& operation, Warp& warp, uint32_t executing);
// Operand 0 = special register `immediate`, now.
Step read_special(const Operation& operation, Warp& warp, uint32_t executing);

}  // namespace slipstream::emulator
