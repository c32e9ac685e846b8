// The lines that the emulated device writes about races.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "check/report/race_report.h"

namespace slipstream::check {

struct RaceFileLine {
  std::optional<uint64_t> grids;  // the last line of a process: how many it ran; else:
  uint64_t number = 0;            // of the finding in its process
  RaceFinding finding;
};

// Throws std::exception where the line is none.
RaceFileLine parse_race_line(std::string_view line);

}  // namespace slipstream::check
