// How every command ends: docs/operations.md has the table.
#pragma once

#include <string>

#include "slipstream/error.h"

namespace slipstream::cli {

enum ExitCode : int {
  kDone = 0,
  kFound = 1,      // races, broken promises, logits that are no numbers
  kCannot = 2,     // an input is missing or wrong, a file or standard output cannot be written
  kUsage = 3,      // the command line is wrong
  kDevice = 4,     // the CUDA runtime failed, or the device hung
  kTimedOut = 124  // --timeout, as of the command `timeout`
};

// The command has done its work, and the result is not what it should be: kFound.
class Found : public Error {
  using Error::Error;
};

// The end of every command's help.
[[nodiscard]] std::string exit_codes_text();

// The exit code of an exception that is being handled, whose message is printed to standard error.
[[nodiscard]] int report_exception(const std::string& program);

}  // namespace slipstream::cli
