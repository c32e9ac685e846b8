// Checks files with device code: finds the kernels in them, applies the rules, collects a report.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "check/launches.h"
#include "check/report/finding.h"

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
  size_t images = 0;
  size_t kernels = 0;
  size_t waiting_kernels = 0;
};

// `paths` are files or directories. Directories are searched for programs, libraries, objects, fat
// binaries, cubins, PTX and CUDA sources; what is none of these is passed over.
Report check_paths(const std::vector<std::string>& paths, const Launches& launches);

// One image that is in memory: a cubin, fat binary, host ELF file or PTX text called `name`.
Report check_image(std::string_view bytes, const std::string& name, const Launches& launches);

}  // namespace slipstream::check
