#include "emulator/race/ticket_set.h"

#include <algorithm>

namespace slipstream::emulator::race {

void TicketSet::insert_range(Ticket begin, Ticket end) {
  if (begin >= end) return;
  // The ranges that [begin, end) overlaps or touches become one.
  const auto first = std::partition_point(ranges_.begin(), ranges_.end(),
                                          [&](const Range& range) { return range.end < begin; });
  const auto last = std::partition_point(first, ranges_.end(),
                                         [&](const Range& range) { return range.begin <= end; });
  if (first == last) {
    ranges_.insert(first, Range{begin, end});
    return;
  }
  first->begin = std::min(first->begin, begin);
  first->end = std::max(std::prev(last)->end, end);
  ranges_.erase(std::next(first), last);
}

bool TicketSet::includes(const TicketSet& other) const {
  return std::all_of(other.ranges_.begin(), other.ranges_.end(), [&](const Range& range) {
    const auto after = std::partition_point(
        ranges_.begin(), ranges_.end(), [&](const Range& own) { return own.begin <= range.begin; });
    return after != ranges_.begin() && range.end <= std::prev(after)->end;
  });
}

void TicketSet::merge(const TicketSet& other) {
  if (includes(other)) return;
  for (const Range& range : other.ranges_) insert_range(range.begin, range.end);
}

bool TicketSet::contains(Ticket ticket) const {
  const auto after = std::partition_point(
      ranges_.begin(), ranges_.end(), [&](const Range& range) { return range.begin <= ticket; });
  return after != ranges_.begin() && ticket < std::prev(after)->end;
}

}  // namespace slipstream::emulator::race
