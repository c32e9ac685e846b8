#include "emulator/runtime/devices.h"

namespace slipstream::emulator::runtime {
namespace {

thread_local uint32_t number_of_current = 0;

}  // namespace

uint32_t current_device() { return number_of_current; }
void set_current_device(uint32_t number) { number_of_current = number; }

}  // namespace slipstream::emulator::runtime
