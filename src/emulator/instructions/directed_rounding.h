// Arithmetic on the f64 lanes of a warp that rounds up, down or to zero, by instructions that say themselves how they round
// (AVX-512). Those that do not, on other hosts, need the host's rounding mode set around them, which takes longer than the
// arithmetic (arithmetic/rounding_mode.h).
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "emulator/program/operation.h"

namespace slipstream::emulator {

enum class Arithmetic : uint8_t { kAdd, kSubtract, kMultiply, kDivide, kMultiplyAdd };

// result = a + b and so on, or a * b + c, for all lanes. The result may be where an operand is.
using RoundedLanes = void (*)(double* result, const double* a, const double* b, const double* c);

// By halves, since what was written as vectors of 32 bytes would not be at hand as one of 64.
[[gnu::target("avx512f")]] inline __m512d load_halves(const double* from) {
  const __m256d low = _mm256_loadu_pd(from);
  const __m256d high = _mm256_loadu_pd(from + 4);
  return __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7);
}

template <Arithmetic kWhich, int kRounding>
[[gnu::target("avx512f")]] void rounded_lanes(double* result, const double* a, const double* b,
                                              [[maybe_unused]] const double* c) {
  constexpr __mmask8 kAll = 0xff;  // the compiler warns of what others leave open
  constexpr int kMode = kRounding | _MM_FROUND_NO_EXC;
  for (uint32_t lane = 0; lane < kWarpSize; lane += 8) {
    const __m512d x = load_halves(a + lane);
    const __m512d y = load_halves(b + lane);
    __m512d z;
    if constexpr (kWhich == Arithmetic::kAdd) z = _mm512_maskz_add_round_pd(kAll, x, y, kMode);
    if constexpr (kWhich == Arithmetic::kSubtract) z = _mm512_maskz_sub_round_pd(kAll, x, y, kMode);
    if constexpr (kWhich == Arithmetic::kMultiply) z = _mm512_maskz_mul_round_pd(kAll, x, y, kMode);
    if constexpr (kWhich == Arithmetic::kDivide) z = _mm512_maskz_div_round_pd(kAll, x, y, kMode);
    if constexpr (kWhich == Arithmetic::kMultiplyAdd) {
      z = _mm512_maskz_fmadd_round_pd(kAll, x, y, load_halves(c + lane), kMode);
    }
    _mm256_storeu_pd(result + lane, __builtin_shufflevector(z, z, 0, 1, 2, 3));
    _mm256_storeu_pd(result + lane + 4, __builtin_shufflevector(z, z, 4, 5, 6, 7));
  }
}

// `mode`: as host_rounding() gives it, not the nearest. Null where the host has no such instructions.
template <Arithmetic kWhich>
RoundedLanes rounded_lanes_of(unsigned mode) {
  if (__builtin_cpu_supports("avx512f") == 0) return nullptr;
  if (mode == _MM_ROUND_DOWN) return &rounded_lanes<kWhich, _MM_FROUND_TO_NEG_INF>;
  if (mode == _MM_ROUND_UP) return &rounded_lanes<kWhich, _MM_FROUND_TO_POS_INF>;
  return &rounded_lanes<kWhich, _MM_FROUND_TO_ZERO>;
}

}  // namespace slipstream::emulator
