// Constant expressions: "12", "-(3 << 4)", "0f3F800000", "WARP_SZ * 2".
#pragma once

#include <cstdint>

#include "code/ptx/cursor.h"

namespace slipstream::ptx {

// Reads and evaluates one. Integers wrap at 64 bits; a float may only be negated.
Number parse_constant(Cursor& cursor);
// The same, without binary operators outside parentheses: what may stand among an instruction's
// operands.
Number parse_operand_constant(Cursor& cursor);
// The same, and an integer.
int64_t parse_integer_constant(Cursor& cursor, std::string_view what);

}  // namespace slipstream::ptx
