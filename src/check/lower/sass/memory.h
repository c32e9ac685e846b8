// Lowers SASS instructions that touch memory or order it.
#pragma once

#include "check/lower/ir.h"
#include "check/lower/sass/operands.h"
#include "code/sass/opcode.h"

namespace slipstream::check::from_sass {

// Fills in the builder's last instruction; false if `meaning` is no memory instruction.
bool lower_memory(sass::Meaning meaning, const sass::Word& word, const OperandReader& reader,
                  FunctionBuilder& builder);

}  // namespace slipstream::check::from_sass
