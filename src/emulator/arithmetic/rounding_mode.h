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

class RoundingMode {
 public:
  explicit RoundingMode(unsigned mode) : saved_(_mm_getcsr()) {
    _mm_setcsr((saved_ & ~static_cast<unsigned>(_MM_ROUND_MASK)) | mode);
    fence();
  }
  ~RoundingMode() {
    fence();
    _mm_setcsr(saved_);
  }
  RoundingMode(const RoundingMode&) = delete;
  RoundingMode& operator=(const RoundingMode&) = delete;

 private:
  // Operands come from memory and results go there, so no arithmetic moves across.
  static void fence() { asm volatile("" ::: "memory"); }

  unsigned saved_;
};

}  // namespace slipstream::emulator
