#include "emulator/runtime/stop_signals.h"

#include <atomic>
#include <csignal>
#include <cstdio>

#include "emulator/machine/stop_request.h"

namespace slipstream::emulator::runtime {
namespace {

std::atomic<int> running{0};

void end_by(int signal) {
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

// A second signal does not wait.
void on_signal(int signal) {
  if (running == 0 || requested_stop.exchange(signal) != 0) end_by(signal);
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
