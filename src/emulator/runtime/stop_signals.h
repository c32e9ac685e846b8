// SIGINT and SIGTERM while kernels run: the program ends by the signal, as it would have at once, but first says where
// its kernels are.
#pragma once

namespace slipstream::emulator::runtime {

// While one exists, kernels run, and a signal waits for them to stop. A program that handles the signals itself keeps
// its handlers.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
};

// Ends the program if a signal asked for it: call when everything is said.
void end_if_stopped();

}  // namespace slipstream::emulator::runtime
