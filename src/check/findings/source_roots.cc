#include "check/findings/source_roots.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "slipstream/error.h"

namespace slipstream::check {

SourceRoots::SourceRoots(const std::vector<std::string>& folders) {
  for (const std::string& folder : folders) {
    std::error_code error;
    const std::filesystem::path real = std::filesystem::canonical(folder, error);
    if (error || !std::filesystem::is_directory(real, error)) {
      throw InvalidArgument(fmt::format("{}: must be a folder of sources, is not one", folder));
    }
    folders_.push_back((real / "").string());
  }
}

SourceRoots SourceRoots::everywhere() {
  SourceRoots roots({});
  roots.everywhere_ = true;
  return roots;
}

bool SourceRoots::contain(const std::string& file) const {
  if (everywhere_) return true;
  std::error_code error;
  const std::string real = std::filesystem::canonical(file, error).string();
  return !error && std::any_of(folders_.begin(), folders_.end(),
                               [&](const std::string& folder) { return real.starts_with(folder); });
}

}  // namespace slipstream::check
