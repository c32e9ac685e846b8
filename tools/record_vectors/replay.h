// Runs recorded forms again and compares the results with the recorded ones.
#pragma once

#include <string>
#include <vector>

#include "form.h"
#include "vector_file.h"

namespace slipstream::record_vectors {

struct ReplayOptions {
  std::string only;    // forms whose text contains this
  unsigned shown = 3;  // differences per form that are described
};

struct ReplayReport {
  size_t replayed = 0;  // the sum of the next four
  size_t equal = 0;     // to the bit
  size_t within_bound = 0;
  size_t different = 0;
  size_t failed = 0;
  size_t not_recorded = 0;
  std::vector<std::string> findings;  // about forms that differ or failed

  bool passed() const { return replayed > 0 && different == 0 && failed == 0; }
};

ReplayReport replay(const VectorFile& file, Runner run, const ReplayOptions& options = {});

// "1093 forms recorded on NVIDIA H200, ...: 1093 replayed, ..."
std::string describe(const ReplayReport& report, const VectorFile& file);

}  // namespace slipstream::record_vectors
