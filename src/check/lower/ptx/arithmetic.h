// Lowers PTX instructions that only compute registers.
#pragma once

#include "check/lower/ir.h"
#include "check/lower/ptx/operands.h"

namespace slipstream::check::from_ptx {

// Fills in the builder's last instruction. Instructions that it does not know give opaque results.
void lower_arithmetic(const tree::Instruction& instruction, const Frame& frame,
                      OperandReader& reader, FunctionBuilder& builder);

}  // namespace slipstream::check::from_ptx
