// What a thread has learned of other clusters by release and acquire: vector clocks that are never
// copied.
//
// A clock is a node that knows one cluster up to some time of each of its warps, a set of complete
// work items, and whatever its two parents know. Releasing and joining are single new nodes; only
// asking walks the graph, as far as clocks whose answers are kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "emulator/race/knowledge.h"
#include "emulator/race/ticket_set.h"
#include "emulator/race/work_order.h"

namespace slipstream::emulator::race {

class ClockGraph {
 public:
  // A clock that knows `cluster` up to `times` (by warp), `tickets`, and all that `parent` knows.
  ClockId release(ClusterId cluster, std::span<const uint32_t> times, const TicketSet& tickets,
                  ClockId parent);
  ClockId join(ClockId a, ClockId b);

  // Whether the clock knows what the warp of that cluster did up to `time`.
  [[nodiscard]] bool knows(ClockId clock, ClusterId cluster, uint32_t warp, uint32_t time);
  // Whether it knows the item to be complete.
  [[nodiscard]] bool knows(ClockId clock, Ticket ticket);

  // Forgets every clock. The numbers start again.
  void clear();

 private:
  struct Node {
    ClusterId cluster = 0;  // 0: a join
    uint32_t first_time = 0;
    uint32_t warps = 0;
    ClockId parents[2] = {0, 0};
    TicketSet tickets;
  };
  using Gathered = std::shared_ptr<const Knowledge>;

  static bool is_parent(ClockId clock, const Node& node);
  const Knowledge& gather(ClockId clock);
  [[nodiscard]] Gathered find(ClockId clock) const {
    return clock < kept_.size() ? kept_[clock] : nullptr;
  }
  Gathered find_or_walk(ClockId clock);
  [[nodiscard]] Gathered walk(ClockId clock);
  void keep(ClockId clock, const Gathered& gathered);
  void forget_answers();

  std::vector<Node> nodes_ = std::vector<Node>(1);
  std::vector<uint32_t> times_;
  // Answers, which clocks that know the same share.
  std::vector<Gathered> kept_;  // by clock
  size_t kept_count_ = 0;
  size_t kept_times_ = 0;
  // Clocks that the present walk has seen have its number.
  std::vector<uint32_t> seen_;
  uint32_t walk_ = 0;
};

}  // namespace slipstream::emulator::race
