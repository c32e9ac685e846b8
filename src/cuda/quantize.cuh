// The scale of a group and the quotients x / scale, exact: every result is the correctly rounded
// fp32 value that plain division gives, so the references divide and the kernels need not.
#pragma once

#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "slipstream/pdl.cuh"

namespace slipstream::cuda {

// A divisor with its correctly rounded reciprocal. Both are normal numbers.
struct Divisor {
  float value;
  float reciprocal;
};

// x / divisor, rounded to nearest even as IEEE division does; an infinity or NaN in x comes back as
// it is.
//
// Two residual corrections: the first brings the quotient within one unit in the last place, from
// where the second gives the correctly rounded one because the reciprocal is correctly rounded
// (Markstein). Residuals are taken as q * d - x, not x - q * d, so that a zero keeps its sign.
// Quotients below 2^-100 may be off; they round to code 0 all the same.
template <int kCorrections = 2>
[[nodiscard]] SLIPSTREAM_HOST_DEVICE inline float divide(float x, Divisor divisor) {
  float quotient = x * divisor.reciprocal;
  for (int correction = 0; correction < kCorrections; ++correction) {
    const float residual = fmaf(quotient, divisor.value, -x);
    quotient = fmaf(-residual, divisor.reciprocal, quotient);
  }
  return fabsf(x) <= FLT_MAX ? quotient : x;
}

// The same of bf16 values and the scale of e4m3 codes that their group has, the largest of them over 448: one
// correction gives the correctly rounded quotient of every pair of mantissas (tests/cuda/quantize_test.cc).
[[nodiscard]] SLIPSTREAM_HOST_DEVICE inline float divide_bf16(float x, Divisor scale) {
  return divide<1>(x, scale);
}

#if defined(__CUDACC__)

// How the groups of a tensor are scaled.
struct ScaleRule {
  float eps;          // amax is at least this
  Divisor max_code;   // 448 for e4m3, 127 for int8
  bool power_of_two;  // round the scale up to a power of two
};

// max(min(amax, FLT_MAX), eps) / max_code: the cap keeps the scale of a group with an infinity
// finite.
__device__ __forceinline__ Divisor group_scale(float amax, const ScaleRule& rule) {
  const float exact = divide(fmaxf(fminf(amax, FLT_MAX), rule.eps), rule.max_code);
  if (!rule.power_of_two) return {exact, __frcp_rn(exact)};
  const uint32_t exponent = (__float_as_uint(exact) + 0x7fffffU) >> 23;
  return {__uint_as_float(exponent << 23), __uint_as_float((254 - exponent) << 23)};
}

// The largest magnitude, NaN left out (fmaxf drops it).
__device__ __forceinline__ float largest_magnitude(const float (&values)[8]) {
  float amax = 0.0F;
#pragma unroll
  for (const float value : values) amax = fmaxf(amax, fabsf(value));
  return amax;
}

// The maximum over 2, 4, 8 or 16 neighboring lanes. All lanes of the warp take part.
__device__ __forceinline__ float group_max(float value, int lanes) {
#pragma unroll
  for (int offset = 1; offset < 16; offset *= 2) {
    if (offset < lanes) value = fmaxf(value, __shfl_xor_sync(0xffffffffU, value, offset));
  }
  return value;
}

#endif  // __CUDACC__

}  // namespace slipstream::cuda
