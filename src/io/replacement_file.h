// A file that is written next to another one and then takes its place; file.h is the way to it.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <optional>
#include <span>
#include <string>

#include "io/file_descriptor.h"

namespace slipstream::io {

class ReplacementFile {
 public:
  // How the file is kept until it takes its place. One without a name goes with the process, however
  // that ends; where a file system knows none, a unique name is made up.
  enum class Kept { kWithoutName, kUnderUniqueName };

  // Throws Error naming `path` if it cannot be replaced.
  explicit ReplacementFile(std::string path, Kept kept = Kept::kWithoutName);
  // Removes what was not published.
  ~ReplacementFile();
  ReplacementFile(const ReplacementFile&) = delete;
  ReplacementFile& operator=(const ReplacementFile&) = delete;

  void write(std::span<const std::byte> bytes);
  // Gives it the earlier file's mode and owner, and its place.
  void publish();

 private:
  [[noreturn]] void fail(const std::string& reason) const;
  void find_target();
  void open_new(Kept kept);
  void open_under_unique_name();
  // False where there is a file of that name.
  [[nodiscard]] bool link_as(const std::string& name) const;
  void link_under_unique_name();
  void take_over_mode_and_owner() const;

  std::string path_;                    // as the user wrote it
  std::string target_;                  // what symbolic links lead to
  std::string folder_;                  // of the target
  std::optional<struct stat> earlier_;  // the file there now
  FileDescriptor file_;
  std::string name_;  // empty: it has none
};

}  // namespace slipstream::io
