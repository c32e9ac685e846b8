// Turns one PTX instruction into operations: what the `build` function of a form works with.
//
// A build function adds the operands in the order in which its handler reads them and names the
// handler. The builder turns every kind of operand into an offset in the register file: register
// (of a width that need not fit: PTX lets loads, stores, cvt and mov use wider registers),
// immediate, special register, address of a symbol.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "code/ptx/module.h"
#include "emulator/decoder/draft.h"
#include "emulator/decoder/table.h"
#include "emulator/program/operation.h"
#include "emulator/program/types.h"

namespace slipstream::emulator {

class FunctionDecoder;  // registers, constants and labels of the function being decoded

class Builder {
 public:
  Builder(FunctionDecoder& decoder, const ptx::Instruction& instruction, const Match& match);

  // --- Modifiers, as matched by the form's pattern.

  bool has(std::string_view modifier) const {
    return match_.has(modifier) || (modifier == ".ftz" && flushes_ && match_.has(".f32"));
  }
  // The modifier that matched slot `index` of the pattern, with its dot; empty if it was optional.
  std::string_view slot(size_t index) const { return match_.slots[index]; }

  std::string_view last_slot() const { return match_.slots.back(); }

  // --- The PTX operands.

  size_t count() const;
  const ptx::Operand& operand(size_t index) const;
  std::span<const ptx::Operand> children(const ptx::Operand& operand) const;
  // Rejects the instruction unless it has between `least` and `most` operands.
  void expect_operands(size_t least, size_t most) const;
  // The value of an operand that PTX wants to be an integer constant.
  int64_t constant(size_t index) const;
  // The declared width of a register operand in bytes; 0 if it is none.
  uint32_t register_bytes(const ptx::Operand& operand) const;

  // --- Operands of the operation, in the order the handler reads them.

  void read(const ptx::Operand& operand, ptx::Type type);
  // A source that the operation may read after it has been executed: its place is not used again.
  void read_later(const ptx::Operand& operand, ptx::Type type);
  void write(const ptx::Operand& operand, ptx::Type type);  // `_` writes to a scratch register
  // A destination that keeps or uses its old value.
  void read_write(const ptx::Operand& operand, ptx::Type type);
  void read(size_t index, ptx::Type type) { read(operand(index), type); }
  void write(size_t index, ptx::Type type) { write(operand(index), type); }
  // A source that is not in the text: a constant, the same in every lane.
  void read_constant(uint64_t bits, ptx::Type type);
  // A source predicate or its negation, or all ones if there are not that many operands.
  void read_optional_predicate(size_t index);
  // The base of [base + offset] as 64-bit lanes; adds to `immediate` what must be added to it.
  void read_address(size_t index);
  // As read_address, without widening: 32-bit lanes if the register is. Returns the width in bytes.
  uint32_t read_raw_address(size_t index);
  // As read_address, but what must be added becomes a second operand: for several addresses.
  void read_address_and_offset(size_t index);
  // The carry flag of extended-precision arithmetic.
  void carry(bool is_read, bool is_written);
  // A register that nothing else uses, for handlers that need room.
  void scratch(ptx::Type type);

  void set_handler(Handler handler) { draft_.operation.execute = handler; }
  // Where it is not what the instruction's family says.
  void set_passing(Passing passing) { draft_.passing = passing; }
  int64_t immediate() const { return draft_.operation.immediate; }
  void set_immediate(int64_t immediate) { draft_.operation.immediate = immediate; }

  // --- Control flow.

  // The operation may jump to a label; its place becomes the immediate.
  void jump_to(const ptx::Operand& label);
  // The operation jumps to one of several; all_operands becomes the list of their places.
  void jump_to_one_of(std::span<const uint32_t> instructions);
  // Nothing falls through to the next operation, unless a guard stops this one.
  void end_block();

  // The instruction is not supported, and why. Names kernel, source line and PTX text.
  [[noreturn]] void reject(const std::string& why) const;

  FunctionDecoder& decoder() { return decoder_; }
  const ptx::Instruction& instruction() const { return instruction_; }

 private:
  friend class FunctionDecoder;

  // A destination wider than what the handler writes is filled by a copy after the operation.
  struct Widening {
    uint32_t from = 0;
    uint32_t to = 0;
    bool is_signed = false;
  };

  void add(uint32_t virtual_register, bool is_read, bool is_written);
  uint32_t source(const ptx::Operand& operand, ptx::Type type);
  uint32_t register_source(const ptx::Operand& operand, ptx::Type type);
  uint32_t special_source(const ptx::Operand& operand, ptx::Type type);
  uint32_t address_of_symbol(const ptx::Operand& operand, ptx::Type type);
  uint32_t local_address(uint64_t offset);
  uint32_t negated_predicate(uint32_t virtual_register);
  uint32_t resized(uint32_t virtual_register, RegisterClass to, bool is_signed);
  void append_resize(uint32_t to, uint32_t from, bool is_signed);
  uint64_t address_of(const ptx::Variable& variable) const;
  void finish();  // appends the operation, then the widenings

  FunctionDecoder& decoder_;
  const ptx::Instruction& instruction_;
  const Match& match_;
  bool flushes_;  // f32 arithmetic of devices before sm_20, without .ftz
  Draft draft_;
  std::vector<Widening> widenings_;
};

// For a form that has a handler and nothing else.
template <Handler kHandler>
void build_without_operands(Builder& builder) {
  builder.expect_operands(0, 0);
  builder.set_handler(kHandler);
}

}  // namespace slipstream::emulator
