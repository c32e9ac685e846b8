#include "cli/record_folder.h"

#include <fmt/format.h>

#include <filesystem>

#include "slipstream/error.h"

namespace slipstream::cli {

void make_record_folder(const std::string& folder) {
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

}  // namespace slipstream::cli
