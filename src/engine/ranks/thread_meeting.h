// The meeting of ranks that are threads of one process.
#pragma once

#include <memory>

#include "engine/ranks/meeting.h"

namespace slipstream::engine {

// One for each of `ranks` threads; they share what they need.
[[nodiscard]] std::vector<std::unique_ptr<Meeting>> make_thread_meetings(int ranks);

}  // namespace slipstream::engine
