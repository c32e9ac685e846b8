// A file mapped into memory, for reading.
#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "io/file_descriptor.h"

namespace slipstream::io {

struct GuardedRange;

class MappedFile {
 public:
  // Throws InvalidArgument naming the file if it is missing, unreadable, not a regular file or
  // empty.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  // Where the file has shrunk or cannot be read any more, zeros are read instead of the end by a
  // signal: who has read what counts calls require_unchanged.
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

  // Throws InvalidArgument naming the file if it was written to, has shrunk or could not be read since
  // it was mapped: what bytes() gave is then worth nothing. A file that was replaced by another or
  // removed stays as it was.
  void require_unchanged() const;

 private:
  std::string path_;
  FileDescriptor descriptor_;
  struct stat status_ {};
  std::span<const std::byte> bytes_;
  GuardedRange* guard_ = nullptr;
};

}  // namespace slipstream::io
