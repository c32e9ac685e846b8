// Rounding to zero, up or down: the host's own rounding mode, set around some arithmetic.
#pragma once

#include <immintrin.h>

#include <string_view>

namespace slipstream::emulator {

// The host's mode for ".rn", ".rz", ".rm" or ".rp"; nearest if there is none.
inline unsigned host_rounding(std::string_view mode) {
  if (mode.empty() || mode == ".rn") return _MM_ROUND_NEAREST;
  return mode == ".rz" ? _MM_ROUND_TOWARD_ZERO : mode == ".rm" ? _MM_ROUND_DOWN : _MM_ROUND_UP;
}

// Rounding to nearest, subnormals kept, no traps: what handlers find. Known rather than read, since reading the mode takes
// longer than some arithmetic.
inline constexpr unsigned kDeviceMode = _MM_MASK_MASK | _MM_ROUND_NEAREST;

class RoundingMode {
 public:
  explicit RoundingMode(unsigned mode) {
    _mm_setcsr(kDeviceMode | mode);
    fence();
  }
  ~RoundingMode() {
    fence();
    _mm_setcsr(kDeviceMode);
  }
  RoundingMode(const RoundingMode&) = delete;
  RoundingMode& operator=(const RoundingMode&) = delete;

 private:
  // Operands come from memory and results go there, so no arithmetic moves across.
  static void fence() { asm volatile("" ::: "memory"); }
};

// Sets the device's mode while kernels run, whatever the program has set for itself.
class DeviceMode {
 public:
  DeviceMode() : saved_(_mm_getcsr()) { _mm_setcsr(kDeviceMode); }
  ~DeviceMode() { _mm_setcsr(saved_); }
  DeviceMode(const DeviceMode&) = delete;
  DeviceMode& operator=(const DeviceMode&) = delete;

 private:
  unsigned saved_;
};

}  // namespace slipstream::emulator
