// Which source files may be opened because a binary names them.
#pragma once

#include <string>
#include <vector>

namespace slipstream::check {

class SourceRoots {
 public:
  // Every file below one of these folders, which may be none. Links and ".." do not lead out of them.
  // Throws InvalidArgument naming what is no folder.
  explicit SourceRoots(const std::vector<std::string>& folders);
  // For programs that the user runs: who made them could open any file anyway.
  static SourceRoots everywhere();

  [[nodiscard]] bool contain(const std::string& file) const;

 private:
  std::vector<std::string> folders_;  // without links, with a slash at the end
  bool everywhere_ = false;
};

}  // namespace slipstream::check
