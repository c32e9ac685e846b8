#include "cli/memory_file.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "io/file.h"
#include "slipstream/error.h"

namespace slipstream::cli {

MemoryFile::MemoryFile(const char* name) : file_(memfd_create(name, MFD_CLOEXEC)) {
  if (!file_.is_open()) {
    throw Error(fmt::format("no file in memory can be made: {}", std::strerror(errno)));
  }
}

std::string MemoryFile::path() const {
  return fmt::format("/proc/{}/fd/{}", getpid(), file_.value());
}

std::string MemoryFile::text() const { return io::read_file(path()); }

}  // namespace slipstream::cli
