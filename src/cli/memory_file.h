// A file in memory that a child process tells this one something by: gone with this process, however that
// ends.
#pragma once

#include <string>

#include "io/file_descriptor.h"

namespace slipstream::cli {

class MemoryFile {
 public:
  // Throws Error where none can be made.
  explicit MemoryFile(const char* name);

  // By this process's name for it, so that a child may close or pass on what files it likes.
  [[nodiscard]] std::string path() const;
  [[nodiscard]] std::string text() const;

 private:
  io::FileDescriptor file_;
};

}  // namespace slipstream::cli
