#include "io/file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <utility>

#include "slipstream/error.h"

namespace slipstream::io {
namespace {

class FileDescriptor {
 public:
  explicit FileDescriptor(int value) : value_(value) {}
  ~FileDescriptor() {
    if (value_ >= 0) close(value_);
  }
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  [[nodiscard]] int value() const { return value_; }

 private:
  int value_;
};

[[noreturn]] void fail(const std::string& path, const std::string& is) {
  throw InvalidArgument(fmt::format("{}: must be a readable regular file, {}", path, is));
}

[[noreturn]] void fail_to_write(const std::string& path, const std::string& reason) {
  throw Error(fmt::format("{}: cannot be written: {}", path, reason));
}

// What write_file writes to before it renames.
std::string partial_name(const std::string& path) { return path + ".partial"; }

}  // namespace

MappedFile::MappedFile(const std::string& path) {
  const FileDescriptor descriptor(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (descriptor.value() < 0) fail(path, std::strerror(errno));
  struct stat status {};
  if (fstat(descriptor.value(), &status) != 0) fail(path, std::strerror(errno));
  if (!S_ISREG(status.st_mode)) fail(path, "is not one");
  if (status.st_size == 0) fail(path, "is empty");
  const auto size = static_cast<size_t>(status.st_size);
  void* address = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor.value(), 0);
  if (address == MAP_FAILED) fail(path, std::strerror(errno));
  bytes_ = {static_cast<const std::byte*>(address), size};
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

MappedFile::MappedFile(MappedFile&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

void write_file(const std::string& path, std::span<const std::span<const std::byte>> pieces) {
  const std::string partial = partial_name(path);
  std::ofstream stream(partial, std::ios::binary | std::ios::trunc);
  for (const auto piece : pieces) {
    stream.write(reinterpret_cast<const char*>(piece.data()),
                 static_cast<std::streamsize>(piece.size()));
  }
  stream.close();
  if (!stream || std::rename(partial.c_str(), path.c_str()) != 0) {
    const std::string reason = std::strerror(errno);
    std::remove(partial.c_str());
    fail_to_write(path, reason);
  }
}

void write_text(const std::string& path, std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  write_file(path, std::span(&bytes, 1));
}

void require_writable(const std::string& path) {
  if (std::filesystem::is_directory(path)) fail_to_write(path, std::strerror(EISDIR));
  const std::string partial = partial_name(path);
  const bool opened = std::ofstream(partial, std::ios::binary | std::ios::app).is_open();
  if (!opened) fail_to_write(path, std::strerror(errno));
  std::remove(partial.c_str());
}

}  // namespace slipstream::io
