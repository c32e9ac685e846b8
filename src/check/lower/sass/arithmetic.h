// Lowers SASS instructions that only compute registers.
#pragma once

#include "check/lower/ir.h"
#include "check/lower/sass/operands.h"
#include "code/sass/opcode.h"

namespace slipstream::check::from_sass {

// Fills in the builder's last instruction.
void lower_arithmetic(sass::Meaning meaning, const sass::Word& word, const OperandReader& reader,
                      FunctionBuilder& builder);

}  // namespace slipstream::check::from_sass
