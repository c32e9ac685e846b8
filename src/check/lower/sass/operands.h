// Operand fields of SASS instructions, as operands of the checker's form.
//
// Registers of the machine are numbered in one space: vector registers first, then uniform
// registers, predicates, uniform predicates, and two cells that stand for all local and all shared
// memory, so that a pointer is followed through a spill.
#pragma once

#include "check/lower/ir.h"
#include "code/sass/cubin.h"

namespace slipstream::check::from_sass {

inline constexpr uint32_t kFirstUniform = 256;
inline constexpr uint32_t kFirstPredicate = 512;
inline constexpr uint32_t kFirstUniformPredicate = 520;
inline constexpr uint32_t kLocalCell = 528;
inline constexpr uint32_t kSharedCell = 529;
inline constexpr uint32_t kMachineRegisters = 530;

// The three bits above the opcode's family say where operands B and C are.
enum class Form : uint8_t {
  kNone = 0,
  kRegisterRegister = 1,
  kImmediateC = 2,
  kConstantC = 3,
  kImmediateB = 4,
  kConstantB = 5,
  kUniformB = 6,
  kUniformC = 7,
};

// Bytes of an access, from the size field of loads and stores.
inline uint32_t access_bytes(const sass::Word& word) {
  constexpr uint32_t kBytes[] = {1, 1, 2, 2, 4, 8, 16, 32};
  return kBytes[sass::bits(word, 73, 3)];
}

class OperandReader {
 public:
  OperandReader(const sass::Kernel& kernel, uint32_t architecture)
      : kernel_(kernel),
        uniform_zero_(architecture >= 100 ? 255 : 63),
        block_dimensions_(architecture >= 100 ? 0x360 : 0),
        parameter_address_(architecture >= 100 ? 0x348 : 0x198),
        has_clusters_(architecture >= 100 ? 0x36c : 0x140) {}

  // Works in the uniform datapath: destinations, guards and plain registers are uniform.
  static bool is_uniform(const sass::Word& word);
  static Form form(const sass::Word& word) { return static_cast<Form>(sass::bits(word, 9, 3)); }

  [[nodiscard]] Operand a(const sass::Word& word) const;
  [[nodiscard]] Operand b(const sass::Word& word) const;
  [[nodiscard]] Operand c(const sass::Word& word) const;
  // The next register of a 64-bit operand, or an opaque operand if `low` is no register or word.
  [[nodiscard]] Operand upper_half(const Operand& low) const;

  [[nodiscard]] Operand vector(uint64_t field) const;
  [[nodiscard]] Operand uniform(uint64_t field) const;
  [[nodiscard]] Operand predicate(uint64_t field, bool negated, bool uniform) const;
  // A word of constant memory at the bank and offset in bits 38 to 58.
  [[nodiscard]] Operand constant(const sass::Word& word) const;
  // Whether that word is in the table of indirect branches.
  [[nodiscard]] static bool is_in_table(const sass::Word& word) {
    constexpr uint64_t kTableBank = 2;
    return sass::bits(word, 54, 5) == kTableBank;
  }
  // kNone for the register that reads as zero.
  [[nodiscard]] uint32_t destination(const sass::Word& word) const;
  [[nodiscard]] uint32_t uniform_destination(const sass::Word& word) const;
  uint32_t predicate_destination(uint64_t field, bool uniform) const;
  // Of the field of a uniform register where other bits follow it.
  [[nodiscard]] unsigned uniform_bits() const { return uniform_zero_ == 63 ? 6 : 8; }
  bool is_uniform_zero(uint64_t field) const { return field == uniform_zero_ || field == 255; }

 private:
  Operand plain(const sass::Word& word, uint64_t field) const;
  Operand constant_at(uint64_t bank, uint64_t offset) const;

  const sass::Kernel& kernel_;
  uint32_t uniform_zero_;
  // Where in constant bank 0 ntid.{x,y,z} are, the address of the bank, by which tensor maps among the
  // parameters are found, and whether the grid was launched with clusters.
  uint32_t block_dimensions_;
  uint32_t parameter_address_;
  uint32_t has_clusters_;
};

}  // namespace slipstream::check::from_sass
