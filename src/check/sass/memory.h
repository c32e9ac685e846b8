// Lowers SASS instructions that touch memory or order it.
#pragma once

#include "check/ir.h"
#include "check/sass/opcode.h"
#include "check/sass/operands.h"

namespace slipstream::check::sass {

// Fills in the builder's last instruction; false if `meaning` is no memory instruction.
bool lower_memory(Meaning meaning, const Word& word, const OperandReader& reader,
                  FunctionBuilder& builder);

}  // namespace slipstream::check::sass
