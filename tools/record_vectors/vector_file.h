// Recorded operands and results: a JSON header and the bytes it refers to, compressed together with
// zstd.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "form.h"

namespace slipstream::record_vectors {

struct RecordedForm {
  std::vector<Bytes> operands;
  std::vector<Bytes> results;
};

struct VectorFile {
  std::string device;                         // "NVIDIA H200, driver 580.65, runtime 13.0"
  unsigned count = 0;                         // vectors per form
  std::map<std::string, RecordedForm> forms;  // by text
};

// Equal operands of different forms are stored once.
void write_vector_file(const std::string& path, const VectorFile& file);
// Throws std::runtime_error where the file is not one of these.
VectorFile read_vector_file(const std::string& path);

}  // namespace slipstream::record_vectors
