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
  std::vector<std::string> source_roots;
  std::string json_file;  // as JsonOutput takes it
};

// Prints the report. kDone: nothing at or above the level; kFound: findings; kCannot: something could
// not be analyzed. Throws where launches or source roots cannot be read or reports not be written.
int run_check(const CheckOptions& options);

void add_check_command(const cli::Command& program);

}  // namespace slipstream::cli
