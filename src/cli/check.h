// `slipstream check`: finds PDL races in device code, statically.
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace slipstream {

struct CheckOptions {
  std::vector<std::string> paths;
  std::string launches_file;
  std::string sarif_file;
  std::string fail_on = "error";  // error, warning or note
  bool json = false;
};

// Prints the report. 0: nothing at or above the level; 1: findings; 2: something could not be
// analysed.
int run_check(const CheckOptions& options);

// Adds the command to `app`. It ends in CLI::RuntimeError with the exit code of run_check().
void add_check_command(CLI::App& app);

}  // namespace slipstream
