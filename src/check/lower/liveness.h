// Which registers may still be read, and under which predicate.
#pragma once

#include <cstdint>
#include <vector>

#include "check/lower/control_flow.h"
#include "check/lower/ir.h"

namespace slipstream::check {

// When the value of a register matters: never, always, or only where a predicate register holds (or
// does not hold). Compilers guard whole chains (`@P0 LDC R2; @P0 LDG [R2]`): what R2 held before is
// dead, though neither instruction is always executed.
class Live {
 public:
  static constexpr Live never() { return Live(0); }
  static constexpr Live always() { return Live(1); }
  static constexpr Live where(uint32_t guard, bool negated) {
    return Live(2 + 2 * guard + (negated ? 1 : 0));
  }

  // The same, or always() if it depends on this predicate register.
  [[nodiscard]] Live whatever(uint32_t guard) const {
    const uint16_t names_it = where(guard, true).code_;
    const auto named = static_cast<uint16_t>(code_ | 1U);
    return Live(named == names_it ? always().code_ : code_);
  }
  // The same on the other value of its predicate.
  [[nodiscard]] Live opposite() const { return Live(code_ ^ 1U); }

  // Without branches, since most of the time of a check was spent here, row by row.
  [[nodiscard]] Live joined(Live other) const {
    const uint16_t both = code_ == other.code_ ? code_ : always().code_;
    const uint16_t here = other.code_ == never().code_ ? code_ : both;
    return Live(code_ == never().code_ ? other.code_ : here);
  }
  // After a write that only happens where `guard` holds.
  [[nodiscard]] Live without(Live written) const;

  bool operator==(const Live&) const = default;

 private:
  constexpr explicit Live(uint32_t code) : code_(static_cast<uint16_t>(code)) {}

  uint16_t code_;  // a machine has few registers
};

using LiveRow = std::vector<Live>;  // by register

class Liveness {
 public:
  Liveness(const Function& function, const ControlFlow& flow);

  [[nodiscard]] Live at_start(size_t block, uint32_t reg) const { return at_start_[block][reg]; }
  // Fills in what is live after the last instruction of the block. The row is the caller's, since
  // allocating one for each block took a fifth of the time.
  void find_at_end(size_t block, LiveRow& row) const;
  // Turns what is live after the instruction into what is live before it.
  void step_back(const Instruction& instruction, LiveRow& row) const;

 private:
  const Function& function_;
  const ControlFlow& flow_;
  std::vector<bool> guards_;  // by register: whether it guards anything
  std::vector<LiveRow> at_start_;
};

}  // namespace slipstream::check
