#include "emulator/runtime/devices.h"

namespace slipstream::emulator::runtime {

CurrentDevice& current() {
  thread_local CurrentDevice all;
  return all;
}

uint32_t current_device() { return current().number; }
void set_current_device(uint32_t number) { current() = {number, true, nullptr}; }

}  // namespace slipstream::emulator::runtime
