// `slipstream emulate`: runs any CUDA program on the emulated device, and checks it for races.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/command.h"

namespace slipstream::cli {

struct EmulateOptions {
  std::optional<int> devices;
  std::optional<int> multiprocessors;
  std::optional<uint64_t> seed;
  std::optional<int> threads;
  std::string
      unwritten_reads;   // that are reported: used, all or none; empty: as the environment says
  std::string schedule;  // serial, overlapped or adversarial; empty: as the environment says
  std::string report_file;
  std::string record_folder;  // empty: launches are not noted
  bool statistics = false;
  bool check_races = false;
  std::string json_file;             // of the race check, as JsonOutput takes it
  double timeout_seconds = 0;        // 0: none
  std::string fail_on = "error";     // or warning: from which severity on races fail
  std::vector<std::string> program;  // with its arguments
};

// Runs the program with the emulator's CUDA runtime in front of the library path and the options in
// the environment. Without race check, recording and timeout it replaces this process and returns only
// where that fails. With them, returns kFound if there are races, kTimedOut, kCannot if nothing was
// checked or a report or recording cannot be written, else the exit code of the program (128 and the signal's number if one
// ended it).
int run_emulate(const EmulateOptions& options);

void add_emulate_command(const cli::Command& program);

}  // namespace slipstream::cli
