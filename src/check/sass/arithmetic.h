// Lowers SASS instructions that only compute registers.
#pragma once

#include "check/ir.h"
#include "check/sass/opcode.h"
#include "check/sass/operands.h"

namespace slipstream::check::sass {

// Fills in the builder's last instruction.
void lower_arithmetic(Meaning meaning, const Word& word, const OperandReader& reader,
                      FunctionBuilder& builder);

}  // namespace slipstream::check::sass
