// Which mbarriers are the same, as far as their addresses follow from constants.
#pragma once

#include <cstdint>
#include <map>
#include <optional>

#include "check/lower/ir.h"

namespace slipstream::check {

class Mbarriers {
 public:
  explicit Mbarriers(const Function& function);

  // Whether two instructions that wait or arrive may mean one mbarrier: always, unless both addresses
  // are known and differ. One of an array of them, by an index, is not known.
  [[nodiscard]] bool may_be_same(uint32_t wait, uint32_t arrival) const;

 private:
  // A byte of a variable, or of the block's shared memory.
  struct Place {
    uint32_t variable = kNone;
    int64_t offset = 0;

    bool operator==(const Place&) const = default;
  };
  friend class MbarrierAddresses;

  std::map<uint32_t, Place> places_;  // by instruction
};

}  // namespace slipstream::check
