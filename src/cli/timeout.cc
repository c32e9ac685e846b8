#include "cli/timeout.h"

#include <sys/time.h>
#include <unistd.h>

#include <csignal>
#include <cstring>

#include "cli/exit_code.h"

namespace slipstream::cli {
namespace {

void end_process(int /*signal*/) {
  constexpr const char* kMessage = "slipstream: --timeout is over, nothing more is done\n";
  // Nothing else may be called in a signal handler.
  if (write(STDERR_FILENO, kMessage, std::strlen(kMessage)) < 0) _exit(kTimedOut);
  _exit(kTimedOut);
}

}  // namespace

void end_process_after(double seconds) {
  std::signal(SIGALRM, &end_process);
  itimerval timer{};
  timer.it_value.tv_sec = static_cast<time_t>(seconds);
  timer.it_value.tv_usec =
      static_cast<suseconds_t>((seconds - static_cast<double>(timer.it_value.tv_sec)) * 1e6);
  // Zero would mean never.
  if (timer.it_value.tv_sec == 0 && timer.it_value.tv_usec == 0) timer.it_value.tv_usec = 1;
  setitimer(ITIMER_REAL, &timer, nullptr);
}

}  // namespace slipstream::cli
