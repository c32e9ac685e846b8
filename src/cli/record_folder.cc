#include "cli/record_folder.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "cli/exit_code.h"
#include "slipstream/error.h"

namespace slipstream::cli {
namespace {

void make_folder(const std::string& folder) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (fs::exists(folder, error) && (!fs::is_directory(folder) || !fs::is_empty(folder, error))) {
    throw InvalidArgument(
        fmt::format("the folder for what is recorded must be new or empty, '{}' is not", folder));
  }
  fs::create_directories(folder, error);
  if (error) {
    throw InvalidArgument(fmt::format("cannot make the folder '{}': {}", folder, error.message()));
  }
}

}  // namespace

RecordFolder::RecordFolder(const std::string& path) : failures_("slipstream-record") {
  make_folder(path);
  setenv("SLIPSTREAM_RECORD_FAILURES", failures_.path().c_str(), /*overwrite=*/1);
}

int RecordFolder::exit_code(int of_program) const {
  if (of_program != 0 || failures_.text().empty()) return of_program;
  std::fprintf(stderr, "slipstream: not all of what was recorded could be written (above)\n");
  return kCannot;
}

}  // namespace slipstream::cli
