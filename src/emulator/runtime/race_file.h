// Hands what the race check finds to `slipstream emulate`, which prints it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "emulator/machine/race_finding.h"

namespace slipstream::emulator::runtime {

// Appends one line of JSON for each finding to the file, and, if `grids` is not 0, one that says
// how many grids the process has run. Later lines about the same pair replace earlier ones.
void write_race_findings(const std::string& file, const std::vector<RaceFinding>& findings,
                         uint64_t grids);

}  // namespace slipstream::emulator::runtime
