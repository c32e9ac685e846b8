// Conversions between packed 16-bit floats, fp32 and fp8 codes, on the device.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include <cstdint>

#include "slipstream/tensor.h"

namespace slipstream::ops {

// Two 16-bit floats in one word, the first in the low half.
__device__ __forceinline__ float2 to_float2(std::uint32_t pair, DType dtype) {
  if (dtype == DType::kBFloat16) {
    return {__uint_as_float(pair << 16), __uint_as_float(pair & 0xffff0000U)};
  }
  __half2 halves;
  memcpy(&halves, &pair, sizeof(pair));
  return __half22float2(halves);
}

// Rounds to nearest even.
__device__ __forceinline__ std::uint32_t to_pair(float first, float second, DType dtype) {
  std::uint32_t pair;
  if (dtype == DType::kBFloat16) {
    const __nv_bfloat162 rounded = __floats2bfloat162_rn(first, second);
    memcpy(&pair, &rounded, sizeof(pair));
  } else {
    const __half2 rounded = __floats2half2_rn(first, second);
    memcpy(&pair, &rounded, sizeof(pair));
  }
  return pair;
}

// Four 16-bit floats, the first in the low half of .x.
__device__ __forceinline__ void to_floats(uint2 packed, DType dtype, float (&values)[4]) {
  const float2 low = to_float2(packed.x, dtype);
  const float2 high = to_float2(packed.y, dtype);
  values[0] = low.x;
  values[1] = low.y;
  values[2] = high.x;
  values[3] = high.y;
}

__device__ __forceinline__ void to_floats(uint4 packed, DType dtype, float (&values)[8]) {
  float low[4];
  float high[4];
  to_floats(uint2{packed.x, packed.y}, dtype, low);
  to_floats(uint2{packed.z, packed.w}, dtype, high);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    values[i] = low[i];
    values[i + 4] = high[i];
  }
}

__device__ __forceinline__ uint2 to_packed(const float (&values)[4], DType dtype) {
  return {to_pair(values[0], values[1], dtype), to_pair(values[2], values[3], dtype)};
}

__device__ __forceinline__ uint4 to_packed(const float (&values)[8], DType dtype) {
  return {to_pair(values[0], values[1], dtype), to_pair(values[2], values[3], dtype),
          to_pair(values[4], values[5], dtype), to_pair(values[6], values[7], dtype)};
}

// Four fp8 codes, the first in the low byte: round to nearest even, infinities saturate, NaN stays
// NaN (0x7f).
template <__nv_fp8_interpretation_t kKind>
__device__ __forceinline__ std::uint32_t to_fp8_kind(float a, float b, float c, float d) {
  const std::uint32_t low = __nv_cvt_float2_to_fp8x2({a, b}, __NV_SATFINITE, kKind);
  const std::uint32_t high = __nv_cvt_float2_to_fp8x2({c, d}, __NV_SATFINITE, kKind);
  return low | high << 16;
}

__device__ __forceinline__ std::uint32_t to_fp8(const float (&values)[4], DType dtype) {
  return dtype == DType::kFloat8E4M3
             ? to_fp8_kind<__NV_E4M3>(values[0], values[1], values[2], values[3])
             : to_fp8_kind<__NV_E5M2>(values[0], values[1], values[2], values[3]);
}

__device__ __forceinline__ uint2 to_fp8(const float (&values)[8], DType dtype) {
  const float low[4] = {values[0], values[1], values[2], values[3]};
  const float high[4] = {values[4], values[5], values[6], values[7]};
  return {to_fp8(low, dtype), to_fp8(high, dtype)};
}

}  // namespace slipstream::ops
