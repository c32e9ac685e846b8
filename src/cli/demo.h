// `slipstream demo`: decodes three tiny models, and shows their tokens and what PDL did.
#pragma once

#include <string>

#include "cli/command.h"

namespace slipstream::cli {

struct DemoOptions {
  std::string goldens;    // directory of what the models must answer
  std::string directory;  // where their checkpoints are written
  int prompts = 1;        // of each model
};

// Prints a report. 0: every model reaches its limits, and PDL changes no bit; else 1.
int run_demo(const DemoOptions& options);

void add_demo_command(const Command& program);

}  // namespace slipstream::cli
