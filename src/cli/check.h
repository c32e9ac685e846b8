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
  std::string html_file;
  std::string fail_on = "error";  // error, warning or note
  std::vector<std::string> source_roots;
  std::string json_file;  // as JsonOutput takes it
  // What is left out of the reports and of the exit code.
  std::vector<std::string> rules;
  std::vector<std::string> kernels;
  std::string severity = "note";
  bool expand = false;
  unsigned jobs = 0;           // 0: one for each processor
  double timeout_seconds = 0;  // 0: none
};

// Prints the report. kDone: nothing at or above the level; kFound: findings; kCannot: something could
// not be analyzed, or there was no kernel; kTimedOut: what was found until then. Throws where launches or source roots cannot be read or reports not be written.
int run_check(const CheckOptions& options);

void add_check_command(const cli::Command& program);

}  // namespace slipstream::cli
