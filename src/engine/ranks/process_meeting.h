// The meeting of ranks that are processes: rank 0 listens, the others connect to it.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "engine/ranks/meeting.h"

namespace slipstream::engine {

struct ProcessPlace {
  int rank = 0;
  int ranks = 1;
  std::string host;  // of rank 0
  int port = 0;      // that it listens on
  // How long the ranks wait for each other at the start.
  std::chrono::milliseconds patience{60'000};
  // How long a process may be silent before it counts as gone. Each says every second that it lives.
  std::chrono::milliseconds silence{10'000};
};

// Returns once all ranks are there. Throws RankError that names those that are not, or that say to
// be the same one, or are of other numbers of ranks.
[[nodiscard]] std::unique_ptr<Meeting> meet_processes(const ProcessPlace& place);

}  // namespace slipstream::engine
