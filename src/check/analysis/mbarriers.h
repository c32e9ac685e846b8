// Which mbarriers or flags are the same, as far as their addresses tell, and which barriers of a CTA, by
// their numbers.
#pragma once

#include <cstdint>
#include <map>

#include "check/analysis/number_range.h"
#include "check/lower/control_flow.h"
#include "check/lower/ir.h"

namespace slipstream::check {

class Mbarriers {
 public:
  Mbarriers(const Function& function, const ControlFlow& flow);

  // Whether two instructions that wait or arrive may mean one mbarrier: always, unless it is known where
  // both lie, and no address is possible for both. Of an array of them an index may choose any that it
  // can reach.
  [[nodiscard]] bool may_be_same(uint32_t wait, uint32_t arrival) const;

 private:
  std::map<uint32_t, NumberRange> places_;  // by instruction
};

}  // namespace slipstream::check
