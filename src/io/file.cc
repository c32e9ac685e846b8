#include "io/file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "io/replacement_file.h"
#include "slipstream/error.h"

namespace slipstream::io {
namespace {

[[noreturn]] void fail_to_read(const std::string& path, const std::string& is) {
  throw InvalidArgument(fmt::format("{}: must be a readable regular file, {}", path, is));
}

}  // namespace

FileDescriptor open_regular_file(const std::string& path) {
  // Without O_NONBLOCK a FIFO would be waited for before its kind can be asked.
  FileDescriptor descriptor(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!descriptor.is_open()) fail_to_read(path, std::strerror(errno));
  struct stat status {};
  if (fstat(descriptor.value(), &status) != 0) fail_to_read(path, std::strerror(errno));
  if (!S_ISREG(status.st_mode)) fail_to_read(path, "is not one");
  return descriptor;
}

std::string read_file(const std::string& path) {
  const FileDescriptor descriptor = open_regular_file(path);
  std::string text;
  std::array<char, 1 << 16> buffer{};
  while (true) {
    const ssize_t count = read(descriptor.value(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_to_read(path, std::strerror(errno));
    if (count == 0) return text;
    text.append(buffer.data(), static_cast<size_t>(count));
  }
}

void write_file(const std::string& path, std::span<const std::span<const std::byte>> pieces) {
  ReplacementFile file(path);
  for (const auto piece : pieces) file.write(piece);
  file.publish();
}

void write_text(const std::string& path, std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  write_file(path, std::span(&bytes, 1));
}

void require_writable(const std::string& path) { const ReplacementFile file(path); }

}  // namespace slipstream::io
