// A set of work items by ticket. Tickets count up and what is known to be complete comes in long
// runs, so a set is a short list of ranges.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace slipstream::emulator::race {

using Ticket = uint64_t;

class TicketSet {
 public:
  void insert(Ticket ticket) { insert_range(ticket, ticket + 1); }
  void insert_range(Ticket begin, Ticket end);
  void merge(const TicketSet& other);
  [[nodiscard]] bool contains(Ticket ticket) const;
  [[nodiscard]] bool includes(const TicketSet& other) const;
  [[nodiscard]] bool empty() const { return ranges_.empty(); }
  // How many ranges there are, for tests of its cost.
  [[nodiscard]] size_t ranges() const { return ranges_.size(); }

  auto operator<=>(const TicketSet&) const = default;

 private:
  struct Range {
    Ticket begin = 0;
    Ticket end = 0;

    auto operator<=>(const Range&) const = default;
  };

  std::vector<Range> ranges_;  // in order, with a gap between two
};

}  // namespace slipstream::emulator::race
