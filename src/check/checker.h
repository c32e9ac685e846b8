// Checks files with device code: finds the kernels in them, applies the rules, collects a report.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "check/launches/launches.h"
#include "check/report/report.h"

namespace slipstream::check {

struct CheckLimits {
  size_t jobs = 1;  // threads
  // Asked now and then: whether to stop and report what was found so far.
  std::function<bool()> stop = [] { return false; };
  bool listing = false;  // places bring the code around them, for a report that shows it
  // Told which file is looked at next.
  std::function<void(const std::string& file)> progress = [](const std::string&) {};
};

// `paths` are files or directories. Directories are searched for programs, libraries, objects, fat
// binaries, cubins, PTX and CUDA sources; what is none of these is passed over. Comments that allow
// findings are read where the sources lie in one of the folders `source_roots`; throws InvalidArgument
// where one is no folder.
Report check_paths(const std::vector<std::string>& paths, const Launches& launches,
                   const std::vector<std::string>& source_roots = {},
                   const CheckLimits& limits = {});

// One image that is in memory: a cubin, fat binary, host ELF file or PTX text called `name`.
Report check_image(std::string_view bytes, const std::string& name, const Launches& launches);

}  // namespace slipstream::check
