// What a thread has learned of other clusters by release and acquire: vector clocks that share what they have in
// common.
//
// A clock knows clusters up to some time of each of their warps, and a set of complete work items. Most joins are of
// one that the other includes, since threads tell each other what they have been told: who knows of a release knows
// all that its warp knew before.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "emulator/race/ticket_set.h"
#include "emulator/race/times_trees.h"
#include "emulator/race/work_order.h"

namespace slipstream::emulator::race {

class ClockForest {
 public:
  // A warp releases: a clock that knows its cluster up to `times` (by warp), `tickets`, and all that `parent` knows.
  // What a warp releases includes what it has released before.
  ClockId release(ClusterId cluster, uint32_t warp, std::span<const uint32_t> times,
                  const TicketSet& tickets, ClockId parent);
  // One of the two, where it includes the other.
  ClockId join(ClockId a, ClockId b);

  // Whether the clock knows what the warp of that cluster did up to `time`.
  [[nodiscard]] bool knows(ClockId clock, ClusterId cluster, uint32_t warp, uint32_t time) const;
  // Whether it knows the item to be complete.
  [[nodiscard]] bool knows(ClockId clock, Ticket ticket) const;

  // Forgets every clock. The numbers start again.
  void clear();
  // How many clocks there are, for tests of its cost.
  [[nodiscard]] size_t size() const { return clocks_.size() - 1; }

 private:
  using SetId = uint32_t;
  // By a warp, with the number of the clock that it made.
  struct Release {
    ClusterId cluster = 0;
    uint32_t warp = 0;
    ClockId clock = 0;
  };
  struct Clock {
    TimesTrees::Tree tree = 0;  // of each cluster the times of its warps, then their last releases
    SetId tickets = 0;
    Release told_by;  // whoever knows of it knows all that this clock knows
  };

  [[nodiscard]] bool knows(const Clock& clock, const Release& release) const;
  ClockId add(TimesTrees::Tree tree, SetId tickets);
  SetId add(const TicketSet& tickets);
  SetId join_tickets(SetId a, SetId b);

  TimesTrees trees_;
  std::vector<Clock> clocks_ = std::vector<Clock>(1);
  std::map<TicketSet, SetId> set_ids_{{TicketSet{}, 0}};
  std::vector<TicketSet> sets_ = std::vector<TicketSet>(1);
  std::vector<uint32_t> numbers_;  // of the release that is made
};

}  // namespace slipstream::emulator::race
