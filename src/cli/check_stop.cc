#include "cli/check_stop.h"

#include <sys/time.h>
#include <unistd.h>

#include <csignal>

#include "cli/exit_code.h"

namespace slipstream::cli {
namespace {

volatile std::sig_atomic_t requested_by = 0;  // the signal that asked

void request_stop(int signal) {
  constexpr unsigned kGraceSeconds = 10;
  if (requested_by != 0) _exit(requested_by == SIGALRM ? kTimedOut : kCannot);
  requested_by = signal;
  alarm(kGraceSeconds);
}

constexpr int kSignals[] = {SIGTERM, SIGINT, SIGALRM};

}  // namespace

StopRequests::StopRequests(double timeout_seconds) {
  requested_by = 0;
  for (const int signal : kSignals) std::signal(signal, &request_stop);
  if (timeout_seconds == 0) return;
  itimerval timer{};
  timer.it_value.tv_sec = static_cast<time_t>(timeout_seconds);
  timer.it_value.tv_usec = static_cast<suseconds_t>(
      (timeout_seconds - static_cast<double>(timer.it_value.tv_sec)) * 1e6);
  // Zero would mean never.
  if (timer.it_value.tv_sec == 0 && timer.it_value.tv_usec == 0) timer.it_value.tv_usec = 1;
  setitimer(ITIMER_REAL, &timer, nullptr);
}

StopRequests::~StopRequests() {
  alarm(0);
  for (const int signal : kSignals) std::signal(signal, SIG_DFL);
}

bool StopRequests::requested() { return requested_by != 0; }

bool StopRequests::time_is_over() { return requested_by == SIGALRM; }

}  // namespace slipstream::cli
