// What `slipstream emulate --check` says: the findings that the emulated device wrote, for people
// and for programs.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "check/findings/finding.h"

namespace slipstream::check {

struct RaceLine {
  std::string file;
  uint32_t line = 0;
  uint32_t column = 0;
};

// One of two accesses that race.
struct RaceSide {
  std::string action;  // "writes"
  std::string kernel;
  uint64_t launch = 0;
  std::optional<uint32_t> device;  // where there are several
  std::array<uint32_t, 3> cta = {};
  std::array<uint32_t, 3> thread = {};
  bool thread_known = false;  // else `thread` is one of the warp
  bool waited = false;
  bool is_host = false;         // a copy or a fill; there is no thread then
  std::vector<RaceLine> lines;  // innermost first
  std::string instruction;
  uint32_t ptx_line = 0;
};

// Two accesses to the same memory that nothing orders, in the order of submission.
struct RaceFinding {
  uint64_t process = 0;
  Severity severity = Severity::kError;
  std::string kind;     // "read-after-write"
  std::string special;  // "race", "atomic", "proxy", ...; "class" in JSON
  std::string missing;
  RaceSide first;
  RaceSide second;
  std::string allocation;
  uint64_t offset = 0;
  uint64_t count = 0;
  std::string allowed;  // the reason given in the source, or empty
};

struct RaceReport {
  // One for each pair of source lines; the counts of its instances are added up.
  std::vector<RaceFinding> findings;
  uint64_t grids = 0;      // that ran under the check
  uint64_t processes = 0;  // that ended in an orderly way
};

// Reads what the emulated device wrote: a JSON object in each line. Several processes may have
// written them; a process repeats a finding when it knows more. Throws std::exception where a line
// is no such object.
RaceReport read_races(std::string_view lines);

std::string race_text(const RaceReport& report);
std::string race_json(const RaceReport& report);
// Whether there is a finding of at least that severity that the source does not allow.
bool has_races(const RaceReport& report, Severity severity);

}  // namespace slipstream::check
