// What the race check found, described: every name and place in words, no pointers.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace slipstream::emulator {

struct SourceLine {
  std::string file;
  uint32_t line = 0;
  uint32_t column = 0;
};

// One of the two accesses.
struct RaceSide {
  std::string action;              // "writes", "reads", "updates by an atomic"
  std::string kernel;              // demangled; or "memcpy", "memset"
  uint64_t launch = 0;             // counts the work items of the program
  std::optional<uint32_t> device;  // where there are several
  std::array<uint32_t, 3> cta{};
  std::array<uint32_t, 3> thread{};
  // Whether `thread` is the one; else it is the first of its warp, any of which it may have been.
  bool thread_known = true;
  bool waited = false;            // it was ordered after griddepcontrol.wait
  bool is_host = false;           // a copy or fill: no CTA, thread or place
  std::vector<SourceLine> lines;  // innermost first, then the calls that it is inlined at
  std::string instruction;        // PTX text
  uint32_t ptx_line = 0;
};

struct RaceFinding {
  uint64_t number = 0;   // in its process: a pair of instructions, and how they conflict
  std::string severity;  // "error", "warning"
  std::string kind;      // "read-after-write", "write-after-read", "write-after-write"
  std::string special;   // "race", "atomic", "transitive", "proxy", "over-read", "same-value"
  std::string missing;   // the promise that would have ordered the two, as a sentence
  RaceSide first;
  RaceSide second;
  std::string allocation;
  uint64_t offset = 0;  // of the first byte found, in the allocation
  uint64_t count = 0;   // of conflicting accesses to up to 4 bytes each
};

}  // namespace slipstream::emulator
