#include "cli/standard_streams.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <iostream>

namespace slipstream::cli {

void prepare_standard_streams() {
  std::signal(SIGXFSZ, SIG_IGN);
  // The lowest free number is given out first. Read-only: writing to it still fails.
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(stream, F_GETFD) == -1) static_cast<void>(open("/dev/null", O_RDONLY));
  }
}

void restore_signals() { std::signal(SIGXFSZ, SIG_DFL); }

bool flush_standard_output(const char* program) {
  const bool flushed = std::fflush(stdout) == 0;
  const int reason = errno;
  std::cout.flush();
  if (flushed && std::ferror(stdout) == 0 && std::cout.good()) return true;
  // What an earlier write failed with is not known any more.
  static_cast<void>(std::fprintf(stderr, "%s: standard output: cannot be written%s%s\n", program,
                                 flushed ? "" : ": ", flushed ? "" : std::strerror(reason)));
  return false;
}

}  // namespace slipstream::cli
