// Lowers PTX instructions that touch memory or order it.
#pragma once

#include "check/lower/ir.h"
#include "check/lower/ptx/operands.h"

namespace slipstream::check::from_ptx {

// Fills in the builder's last instruction; false if it is no such instruction.
bool lower_memory(const tree::Instruction& instruction, const Frame& frame, OperandReader& reader,
                  FunctionBuilder& builder);

// Appends every register of `operand` (a register, a vector, a pair) as a destination.
void add_destinations(const tree::Operand& operand, const Frame& frame, const OperandReader& reader,
                      FunctionBuilder& builder);

}  // namespace slipstream::check::from_ptx
