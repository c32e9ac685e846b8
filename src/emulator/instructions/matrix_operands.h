// Building operations on matrices in registers: what the forms of mma.sync and wmma share.
#pragma once

#include <cstdint>
#include <span>

#include "emulator/arithmetic/rounding_mode.h"
#include "emulator/decoder/builder.h"
#include "emulator/program/types.h"

namespace slipstream::emulator {

// The registers of an operand, "{%r1, %r2}" or one of them alone.
inline std::span<const ptx::Operand> registers_of(const Builder& builder, size_t index,
                                                  size_t count) {
  const ptx::Operand& operand = builder.operand(index);
  const auto registers = operand.kind == ptx::OperandKind::kVector
                             ? builder.children(operand)
                             : std::span<const ptx::Operand>(&operand, 1);
  if (registers.size() != count)
    builder.reject("an operand has another number of registers than the shape needs");
  return registers;
}

template <class T>
void read_registers(Builder& builder, size_t index, size_t count) {
  for (const ptx::Operand& one : registers_of(builder, index, count))
    builder.read(one, kPtxType<T>);
}
template <class T>
void write_registers(Builder& builder, size_t index, size_t count) {
  for (const ptx::Operand& one : registers_of(builder, index, count))
    builder.write(one, kPtxType<T>);
}

// Calls action with one of two types.
template <class Yes, class No, class Action>
void with_choice(bool choice, Action action) {
  choice ? action.template operator()<Yes>() : action.template operator()<No>();
}

// Operation::immediate of a product: the host's rounding mode for f64, else whether sums saturate.
inline int64_t product_mode(const Builder& builder) {
  if (!builder.has(".f64")) return builder.has(".satfinite") ? 1 : 0;
  for (const std::string_view mode : {".rz", ".rm", ".rp"}) {
    if (builder.has(mode)) return host_rounding(mode);
  }
  return host_rounding(".rn");
}

}  // namespace slipstream::emulator
