#include "emulator/race/clock_forest.h"

namespace slipstream::emulator::race {

ClockId ClockForest::add(TimesTrees::Tree tree, SetId tickets) {
  clocks_.push_back({tree, tickets, {}});
  return static_cast<ClockId>(clocks_.size() - 1);
}

ClockId ClockForest::release(ClusterId cluster, uint32_t warp, std::span<const uint32_t> times,
                             const TicketSet& tickets, ClockId parent) {
  const Release release{cluster, warp, static_cast<ClockId>(clocks_.size())};
  numbers_.assign(times.begin(), times.end());
  numbers_.resize(2 * times.size());
  numbers_[times.size() + warp] = release.clock;
  const Clock before = clocks_[parent];
  const ClockId clock = add(trees_.merge(trees_.leaf(cluster, numbers_), before.tree),
                            join_tickets(add(tickets), before.tickets));
  clocks_[clock].told_by = release;
  clocks_[parent].told_by = release;
  return clock;
}

ClockId ClockForest::join(ClockId a, ClockId b) {
  if (a == b || b == 0) return a;
  if (a == 0) return b;
  const Clock of_a = clocks_[a];
  const Clock of_b = clocks_[b];
  if (knows(of_a, of_b.told_by)) return a;
  if (knows(of_b, of_a.told_by)) return b;
  const TimesTrees::Tree tree = trees_.merge(of_a.tree, of_b.tree);
  const SetId tickets = join_tickets(of_a.tickets, of_b.tickets);
  if (tree == of_a.tree && tickets == of_a.tickets) return a;
  if (tree == of_b.tree && tickets == of_b.tickets) return b;
  return add(tree, tickets);
}

ClockForest::SetId ClockForest::add(const TicketSet& tickets) {
  const auto [entry, is_new] = set_ids_.try_emplace(tickets, static_cast<SetId>(sets_.size()));
  if (is_new) sets_.push_back(tickets);
  return entry->second;
}

ClockForest::SetId ClockForest::join_tickets(SetId a, SetId b) {
  if (a == b || sets_[a].includes(sets_[b])) return a;
  if (sets_[b].includes(sets_[a])) return b;
  TicketSet both = sets_[a];
  both.merge(sets_[b]);
  return add(both);
}

bool ClockForest::knows(const Clock& clock, const Release& release) const {
  if (release.clock == 0) return false;
  const auto numbers = trees_.numbers(clock.tree, release.cluster);
  return !numbers.empty() && numbers[numbers.size() / 2 + release.warp] >= release.clock;
}

bool ClockForest::knows(ClockId clock, ClusterId cluster, uint32_t warp, uint32_t time) const {
  const auto numbers = trees_.numbers(clocks_[clock].tree, cluster);
  return !numbers.empty() && numbers[warp] >= time;
}

bool ClockForest::knows(ClockId clock, Ticket ticket) const {
  return sets_[clocks_[clock].tickets].contains(ticket);
}

void ClockForest::clear() {
  trees_.clear();
  clocks_.resize(1);
  clocks_[0] = {};
  set_ids_ = {{TicketSet{}, 0}};
  sets_.resize(1);
}

}  // namespace slipstream::emulator::race
