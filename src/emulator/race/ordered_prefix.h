// Up to which access everything is ordered before a work item, without looking at any of it: mostly all that was there
// when the item started.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "emulator/race/shadow_memory.h"
#include "emulator/race/ticket_set.h"

namespace slipstream::emulator::race {

// Cells below `access`, and sets of reads below `set`, do not matter.
struct Floors {
  Cell access = 0;
  uint32_t set = 0;
};

class OrderedPrefix {
 public:
  // What comes from `now` on is by that item.
  void begin(Ticket ticket, Floors now) { runs_.push_back({ticket, now}); }
  // For one who knows these items to be complete; `now` if that is everybody's.
  Floors known_to(const TicketSet& known, Floors now);
  void clear() { *this = {}; }

 private:
  struct Run {
    Ticket ticket = 0;
    Floors first;
  };

  std::vector<Run> runs_;
  // The last that was asked about: who knows more goes on from there.
  TicketSet asked_;
  size_t known_runs_ = 0;
};

}  // namespace slipstream::emulator::race
