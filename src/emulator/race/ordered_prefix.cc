#include "emulator/race/ordered_prefix.h"

namespace slipstream::emulator::race {

Floors OrderedPrefix::known_to(const TicketSet& known, Floors now) {
  if (!known.includes(asked_)) known_runs_ = 0;
  asked_ = known;
  while (known_runs_ < runs_.size() && known.contains(runs_[known_runs_].ticket)) ++known_runs_;
  return known_runs_ == runs_.size() ? now : runs_[known_runs_].first;
}

}  // namespace slipstream::emulator::race
