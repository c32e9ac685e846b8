// Which of the emulated devices a thread uses.
#pragma once

#include <cstdint>

namespace slipstream::emulator::runtime {

// The number that cudaSetDevice() set in this thread; 0 at first.
[[nodiscard]] uint32_t current_device();
void set_current_device(uint32_t number);

// While one lives, this thread uses another device.
class UseDevice {
 public:
  explicit UseDevice(uint32_t number) : before_(current_device()) { set_current_device(number); }
  ~UseDevice() { set_current_device(before_); }
  UseDevice(const UseDevice&) = delete;
  UseDevice& operator=(const UseDevice&) = delete;

 private:
  uint32_t before_;
};

}  // namespace slipstream::emulator::runtime
