// Temporary directories and tiny checkpoints for tests.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "model/tiny/tiny_checkpoint.h"
#include "slipstream/error.h"

namespace slipstream::model::test {

// A directory that goes when the object goes.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  [[nodiscard]] std::string path(const std::string& name = "") const {
    return name.empty() ? path_.string() : (path_ / name).string();
  }

 private:
  std::filesystem::path path_;
};

// The directory of a tiny checkpoint, written at the first call and kept until the program ends.
[[nodiscard]] const std::string& tiny_checkpoint(const std::string& name);
// The same for one of other sizes.
[[nodiscard]] const std::string& tiny_checkpoint(const tiny::TinySpec& spec);

void write_text(const std::string& path, const std::string& text);
[[nodiscard]] std::string read_text(const std::string& path);

// The message of the InvalidArgument that `action` throws; a failure of the test if it throws none.
template <class Action>
std::string message_of(Action&& action) {
  try {
    action();
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  ADD_FAILURE() << "no InvalidArgument was thrown";
  return "";
}

}  // namespace slipstream::model::test
