// Whole files: mapped into memory for reading, and written whole or not at all.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

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

// Writes the pieces one after the other to a file next to `path`, which is then renamed to `path`.
// Throws Error naming the file.
void write_file(const std::string& path, std::span<const std::span<const std::byte>> pieces);
void write_text(const std::string& path, std::string_view text);

// Throws what write_file would throw for this path, before long work is done for nothing.
// Leaves `path` as it is.
void require_writable(const std::string& path);

}  // namespace slipstream::io
