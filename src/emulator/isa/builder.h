// Turns one PTX instruction into operations: what the `build` function of a form works with.
//
// A build function adds the operands in the order in which its handler reads them and names the
// handler. The builder makes a register file offset of whatever the operand is: register (of a
// width that need not fit: PTX lets loads, stores, cvt and mov use wider registers), immediate,
// special register, address of a symbol.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/isa/operation.h"
#include "emulator/isa/table.h"
#include "emulator/isa/types.h"
#include "emulator/ptx/module.h"

namespace slipstream::emulator::isa {

class FunctionDecoder;  // registers, constants and labels of the function being decoded

class Builder {
 public:
  Builder(FunctionDecoder& decoder, const ptx::Instruction& instruction, const Match& match);

  // --- Modifiers, as matched by the form's pattern.

  bool has(std::string_view modifier) const { return match_.has(modifier); }
  // The modifier that matched slot `index` of the pattern, with its dot; empty if it was optional.
  std::string_view slot(size_t index) const { return match_.slots[index]; }

  // --- The PTX operands.

  size_t count() const;
  const ptx::Operand& operand(size_t index) const;
  std::span<const ptx::Operand> children(const ptx::Operand& operand) const;
  bool is_sink(size_t index) const { return operand(index).kind == ptx::OperandKind::kSink; }
  // Rejects the instruction unless it has between `least` and `most` operands.
  void expect_operands(size_t least, size_t most) const;

  // --- Operands of the operation, in the order the handler reads them.

  void read(const ptx::Operand& operand, ptx::Type type);
  void write(const ptx::Operand& operand, ptx::Type type);  // `_` writes to a scratch register
  void read_write(const ptx::Operand& operand, ptx::Type type);
  void read(size_t index, ptx::Type type) { read(operand(index), type); }
  void write(size_t index, ptx::Type type) { write(operand(index), type); }
  // A source that is not in the text: a constant, splatted.
  void read_constant(uint64_t bits, ptx::Type type);
  // A source predicate or its negation, or all ones if the operand is missing.
  void read_optional_predicate(size_t index);
  // The base of [base + offset] as 64-bit lanes, offset included if it is not in a register. What
  // must be added to the base goes to `immediate`. 32-bit registers are zero-extended.
  void read_address(size_t index);
  // A register nobody else uses, for handlers that need room.
  void scratch(ptx::Type type);

  void set_handler(Handler handler) { operation_.execute = handler; }
  void set_immediate(int64_t immediate) { operation_.immediate = immediate; }
  // The value of an operand that PTX wants to be an integer constant.
  int64_t constant(size_t index) const;

  // The instruction is not supported, and why. Names kernel, source line and PTX text.
  [[noreturn]] void reject(const std::string& why) const;

  FunctionDecoder& decoder() { return decoder_; }
  const ptx::Instruction& instruction() const { return instruction_; }

 private:
  friend class FunctionDecoder;

  // An operand whose register is not known by offset yet.
  struct Reference {
    uint32_t virtual_register = 0;
    bool is_read = false;
    bool is_written = false;
  };

  void add(uint32_t virtual_register, bool is_read, bool is_written);
  uint32_t source_register(const ptx::Operand& operand, ptx::Type type);

  FunctionDecoder& decoder_;
  const ptx::Instruction& instruction_;
  const Match& match_;
  Operation operation_;
  std::vector<Reference> references_;
  // A destination wider than what the handler writes: copied behind the operation.
  struct Widening {
    uint32_t from = 0;
    uint32_t to = 0;
    ptx::Type type = ptx::Type::kNone;
  };
  std::vector<Widening> widenings_;
};

}  // namespace slipstream::emulator::isa
