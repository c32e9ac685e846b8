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

  // Whether it depends on this predicate register.
  [[nodiscard]] bool names(uint32_t guard) const { return code_ / 2U == guard + 1; }
  // The same on the other value of its predicate.
  [[nodiscard]] Live opposite() const { return Live(code_ ^ 1U); }

  [[nodiscard]] Live joined(Live other) const;
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
  // After the last instruction of the block.
  [[nodiscard]] LiveRow at_end(size_t block) const;
  // Turns what is live after the instruction into what is live before it.
  void step_back(const Instruction& instruction, LiveRow& row) const;

 private:
  const Function& function_;
  const ControlFlow& flow_;
  std::vector<bool> guards_;  // by register: whether it guards anything
  std::vector<LiveRow> at_start_;
};

}  // namespace slipstream::check
