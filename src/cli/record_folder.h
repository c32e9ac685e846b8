// Where `slipstream record` and `slipstream emulate --record` leave what they noted.
#pragma once

#include <string>

#include "cli/memory_file.h"

namespace slipstream::cli {

class RecordFolder {
 public:
  // Makes it. Throws InvalidArgument if it is there and not empty: two recordings in one folder would be
  // taken for one. Programs that are run from here on tell this object what they cannot write.
  explicit RecordFolder(const std::string& path);

  // kCannot where the program's own code says that all went well, but not all of what was noted could be
  // written; the program has said why.
  [[nodiscard]] int exit_code(int of_program) const;

 private:
  MemoryFile failures_;
};

}  // namespace slipstream::cli
