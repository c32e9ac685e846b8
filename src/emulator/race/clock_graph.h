// What a thread has learned of other clusters by release and acquire: vector clocks that are never
// copied.
//
// A clock is a node that knows one cluster up to some time of each of its warps, a set of complete
// work items, and whatever its two parents know. Releasing and joining are single new nodes; only
// asking walks the graph, and the answer is kept.
#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "emulator/race/ticket_set.h"
#include "emulator/race/work_order.h"

namespace slipstream::emulator::race {

using ClusterId = uint32_t;  // counts the clusters that have run, over all grids

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
  // All that a clock knows, gathered.
  struct Flat {
    std::unordered_map<ClusterId, std::vector<uint32_t>> times;
    TicketSet tickets;
  };

  static bool is_parent(ClockId clock, const Node& node);
  const Flat& flatten(ClockId clock);
  void add(const Node& node, Flat& flat) const;

  std::vector<Node> nodes_ = std::vector<Node>(1);
  std::vector<uint32_t> times_;
  std::unordered_map<ClockId, Flat> flat_;
};

}  // namespace slipstream::emulator::race
