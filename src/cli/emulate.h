// `slipstream emulate`: runs any CUDA program on the emulated device.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"

namespace slipstream {

struct EmulateOptions {
  std::optional<int> multiprocessors;
  std::optional<uint64_t> seed;
  std::optional<int> threads;
  std::string schedule;  // serial, overlapped or adversarial; empty: as the environment says
  std::string report_file;
  bool statistics = false;
  std::vector<std::string> program;  // with its arguments
};

// Replaces this process by the program, with the emulator's CUDA runtime in front of the library
// path and the options in the environment. Returns only where that fails: the exit code, after a
// line on stderr.
int run_emulate(const EmulateOptions& options);

void add_emulate_command(const cli::Command& program);

}  // namespace slipstream
