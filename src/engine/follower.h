// A rank that does what rank 0 says.
#pragma once

#include "engine/rank_engine.h"
#include "engine/ranks/meeting.h"

namespace slipstream::engine {

// Until rank 0 stops. An error ends the work of all ranks, and is thrown.
void follow_rank_0(RankEngine& rank, Meeting& meeting);

// All that a rank does on its thread: takes device `meeting.rank()`, loads, follows. Ends with the
// ranks' work, whatever ends it.
void run_follower(const std::string& directory, const LoadOptions& options,
                  Meeting& meeting) noexcept;

// All ranks' parts of a row of logits, one after the other.
[[nodiscard]] std::vector<float> gather_logits(Meeting& meeting, const std::vector<float>& part);

}  // namespace slipstream::engine
