// What `slipstream emulate --check` says: the findings that the emulated device wrote, for people
// and for programs.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "check/report/finding.h"

namespace slipstream::check {

struct RaceReport {
  // One for each pair of source lines, as the device wrote it; "count" is the sum, "allowed" the
  // reason given in the source, or empty.
  std::vector<nlohmann::json> findings;
  uint64_t grids = 0;      // that ran under the check
  uint64_t processes = 0;  // that ended in an orderly way
};

// Reads lines of JSON. Several processes may have written them; a process repeats a finding when it
// knows more. Throws nlohmann::json::exception where a line is none.
RaceReport read_races(std::string_view lines);

std::string race_text(const RaceReport& report);
std::string race_json(const RaceReport& report);
// Whether there is a finding of at least that severity that the source does not allow.
bool has_races(const RaceReport& report, Severity severity);

}  // namespace slipstream::check
