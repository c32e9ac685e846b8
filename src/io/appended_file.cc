#include "io/appended_file.h"

#include <fcntl.h>
#include <fmt/core.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <span>

#include "io/file_descriptor.h"
#include "slipstream/error.h"

namespace slipstream::io {
namespace {

constexpr mode_t kNewFileMode = 0666;  // less the user's mask

[[noreturn]] void fail(const std::string& path, const char* reason) {
  throw Error(fmt::format("{}: cannot be written: {}", path, reason));
}

FileDescriptor open_to_append(const std::string& path) {
  // Without O_NONBLOCK a FIFO would be waited for before its kind can be asked.
  constexpr int kHow = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  FileDescriptor file(open(path.c_str(), kHow, kNewFileMode));
  struct stat status {};
  // A FIFO that nobody reads cannot even be opened so.
  const bool is_fifo = !file.is_open() && errno == ENXIO;
  if (!file.is_open() && !is_fifo) fail(path, std::strerror(errno));
  if (is_fifo || fstat(file.value(), &status) != 0 || !S_ISREG(status.st_mode)) {
    fail(path, "must be a regular file, is none");
  }
  return file;
}

}  // namespace

void require_appendable(const std::string& path) { (void)open_to_append(path); }

void append_text(const std::string& path, std::string_view text) {
  const FileDescriptor file = open_to_append(path);
  if (!write_all(file, std::as_bytes(std::span(text)))) fail(path, std::strerror(errno));
}

}  // namespace slipstream::io
