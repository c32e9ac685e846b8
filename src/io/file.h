// Whole files: mapped into memory for reading, and written so that no half of one is ever left
// behind.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace slipstream::io {

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

  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

// Writes the pieces one after the other, beside `path` first and then renamed to it. Throws Error
// naming the file.
void write_file(const std::string& path, std::span<const std::span<const std::byte>> pieces);

// Throws what write_file would throw at once, so that long work need not come to its end first.
// Leaves `path` as it is.
void require_writable(const std::string& path);

}  // namespace slipstream::io
