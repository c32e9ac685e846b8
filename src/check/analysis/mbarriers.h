// Which mbarriers of a kernel cannot be one, as their addresses tell.
#pragma once

#include <cstdint>
#include <vector>

#include "check/lower/ir.h"

namespace slipstream::check {

class Mbarriers {
 public:
  explicit Mbarriers(const Function& function);

  // Whether two instructions may be at one mbarrier.
  [[nodiscard]] bool may_be_one(uint32_t a, uint32_t b) const;

 private:
  // What a register or an address leads to: a byte in a shared variable, some byte in one, or that is
  // not known.
  enum class Kind : uint8_t { kUnset, kNumber, kByte, kVariable, kAnywhere };
  struct Place {
    Kind kind = Kind::kUnset;
    uint32_t variable = kNone;
    int64_t offset = 0;

    bool operator==(const Place&) const = default;
  };
  static Place joined(const Place& a, const Place& b);
  static Place plus(const Place& place, int64_t number);

  void solve(const Function& function);
  [[nodiscard]] Place of_operand(const Operand& operand) const;
  [[nodiscard]] Place of_result(const Function& function, const Instruction& instruction) const;
  [[nodiscard]] Place sum(const Function& function, const Instruction& instruction) const;

  std::vector<Place> registers_;
  std::vector<Place> places_;  // by instruction
};

}  // namespace slipstream::check
