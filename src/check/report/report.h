// What a run of the static check found.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "check/findings/finding.h"

namespace slipstream::check {

// Something that could not be analyzed.
struct Problem {
  std::string file;
  std::string what;
};

struct Report {
  std::vector<Finding> findings;  // gravest first
  std::vector<Problem> problems;
  size_t files = 0;
  size_t sources = 0;  // of these
  size_t images = 0;
  size_t kernels = 0;
  size_t waiting_kernels = 0;
  bool stopped = false;  // before everything was looked at
};

}  // namespace slipstream::check
