// Which of the emulated devices a thread uses.
#pragma once

#include <cstdint>

namespace slipstream::emulator::runtime {

struct CurrentDevice {
  uint32_t number = 0;
  // Whether one of the device's contexts is current, as the driver puts it: from cudaSetDevice() or the first call of
  // the runtime that needs a device on.
  bool has_context = false;
  const void* created_context =
      nullptr;  // one that the driver was asked to make; null: the primary one
};
[[nodiscard]] CurrentDevice& current();

// The number that cudaSetDevice() set in this thread; 0 at first.
[[nodiscard]] uint32_t current_device();
void set_current_device(uint32_t number);

// While one lives, this thread uses another device.
class UseDevice {
 public:
  explicit UseDevice(uint32_t number) : before_(current()) { set_current_device(number); }
  ~UseDevice() { current() = before_; }
  UseDevice(const UseDevice&) = delete;
  UseDevice& operator=(const UseDevice&) = delete;

 private:
  CurrentDevice before_;
};

}  // namespace slipstream::emulator::runtime
