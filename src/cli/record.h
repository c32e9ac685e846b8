// `slipstream record`: runs any CUDA program on the GPU and notes what it launches, for `check`.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"

namespace slipstream::cli {

struct RecordOptions {
  std::string folder = "recorded";
  double timeout_seconds = 0;        // 0: none
  std::vector<std::string> program;  // with its arguments
};

// Runs the program with the recorder in the driver. Returns its exit code (128 and the signal's number
// if one ended it), kTimedOut, or kCannot if nothing was recorded, or not all could be written.
int run_record(const RecordOptions& options);

void add_record_command(const cli::Command& program);

}  // namespace slipstream::cli
