// `slipstream check`: finds PDL races in device code, statically.
#pragma once

#include <string>
#include <vector>

#include "cli/command.h"

namespace slipstream::cli {

struct CheckOptions {
  std::vector<std::string> paths;
  std::string launches_file;
  std::string sarif_file;
  std::string fail_on = "error";  // error, warning or note
  std::string json_file;          // as JsonOutput takes it
};

// Prints the report. 0: nothing at or above the level; 1: findings; 2: something could not be
// analyzed.
int run_check(const CheckOptions& options);

void add_check_command(const cli::Command& program);

}  // namespace slipstream::cli
