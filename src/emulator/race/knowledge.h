// What somebody has learned of clusters, gathered: up to which time of each of their warps, and which work items are
// complete.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "emulator/race/ticket_set.h"

namespace slipstream::emulator::race {

using ClusterId = uint32_t;  // counts the clusters that have run, over all grids

class Knowledge {
 public:
  void add(ClusterId cluster, std::span<const uint32_t> times);
  void add(const TicketSet& tickets) { tickets_.merge(tickets); }
  void merge(const Knowledge& other);
  [[nodiscard]] bool includes(const Knowledge& other) const;

  [[nodiscard]] bool knows(ClusterId cluster, uint32_t warp, uint32_t time) const;
  [[nodiscard]] bool knows(Ticket ticket) const { return tickets_.contains(ticket); }
  [[nodiscard]] size_t size() const { return times_.size(); }

 private:
  struct Part {
    ClusterId cluster = 0;
    uint32_t first = 0;  // of its times
    uint32_t warps = 0;

    bool operator==(const Part&) const = default;
  };

  [[nodiscard]] std::vector<Part>::const_iterator find(ClusterId cluster) const;

  std::vector<Part> parts_;      // in order of their clusters
  std::vector<uint32_t> times_;  // in the same order
  TicketSet tickets_;
};

}  // namespace slipstream::emulator::race
