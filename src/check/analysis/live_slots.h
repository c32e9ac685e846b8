// Which values matter where. Kernels with unrolled loops have thousands of registers that decide
// branches somewhere, and few of them at any one place.
#pragma once

#include <cstdint>
#include <vector>

#include "check/analysis/evaluate.h"
#include "check/lower/control_flow.h"
#include "check/lower/ir.h"

namespace slipstream::check {

class LiveSlots {
 public:
  LiveSlots(const Function& function, const ControlFlow& flow, const Slice& slice);

  // Slots of the slice whose value at the start of the block may still be looked at, in order.
  [[nodiscard]] const std::vector<uint32_t>& at(uint32_t block) const { return at_[block]; }

 private:
  std::vector<std::vector<uint32_t>> at_;
};

}  // namespace slipstream::check
