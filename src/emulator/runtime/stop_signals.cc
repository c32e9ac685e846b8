#include "emulator/runtime/stop_signals.h"

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <ctime>

#include "emulator/machine/stop_request.h"

namespace slipstream::emulator::runtime {
namespace {

std::atomic<int> running{0};
std::atomic<int64_t> stopped_at{0};  // milliseconds of the monotonic clock

void end_by(int signal) {
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

int64_t now_in_milliseconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

// A second signal does not wait, unless it is the first one's double: `timeout` sends one to the
// program and one to its group.
void on_signal(int signal) {
  constexpr int64_t kDouble = 500;
  const int64_t now = now_in_milliseconds();
  if (running == 0) end_by(signal);
  if (requested_stop.exchange(signal) == 0) {
    stopped_at = now;
  } else if (now - stopped_at > kDouble) {
    end_by(signal);
  }
}

void take_over(int signal) {
  struct sigaction action {};
  if (sigaction(signal, nullptr, &action) != 0 || action.sa_handler != SIG_DFL) return;
  action.sa_handler = &on_signal;
  action.sa_flags = SA_RESTART;
  sigaction(signal, &action, nullptr);
}

}  // namespace

StopSignals::StopSignals() {
  static const bool taken_over = [] {
    take_over(SIGINT);
    take_over(SIGTERM);
    return true;
  }();
  static_cast<void>(taken_over);
  ++running;
}

StopSignals::~StopSignals() {
  if (--running == 0) end_if_stopped();
}

void end_if_stopped() {
  const int signal = requested_stop;
  if (signal == 0) return;
  std::fflush(nullptr);
  end_by(signal);
}

}  // namespace slipstream::emulator::runtime
