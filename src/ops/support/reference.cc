#include "ops/support/reference.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include <algorithm>
#include <bit>
#include <cfloat>
#include <cmath>

namespace slipstream::ops {

float float_from_bits(uint16_t bits, DType dtype) {
  if (dtype == DType::kBFloat16) return __bfloat162float(std::bit_cast<__nv_bfloat16>(bits));
  return __half2float(std::bit_cast<__half>(bits));
}

uint16_t bits_from_float(float value, DType dtype) {
  if (dtype == DType::kBFloat16) return std::bit_cast<uint16_t>(__float2bfloat16_rn(value));
  return std::bit_cast<uint16_t>(__float2half_rn(value));
}

std::vector<float> floats_from_bits(std::span<const uint16_t> bits, DType dtype) {
  std::vector<float> values;
  for (const uint16_t value : bits) values.push_back(float_from_bits(value, dtype));
  return values;
}

uint8_t fp8_from_float(float value, DType dtype) {
  return __nv_cvt_float_to_fp8(value, __NV_SATFINITE,
                               dtype == DType::kFloat8E4M3 ? __NV_E4M3 : __NV_E5M2);
}

float group_scale_reference(std::span<const float> values, float eps, float max_code,
                            bool power_of_two) {
  float amax = 0.0F;
  for (const float value : values) {
    if (!std::isnan(value)) amax = std::max(amax, std::abs(value));
  }
  const float scale = std::max(std::min(amax, FLT_MAX), eps) / max_code;
  if (!power_of_two) return scale;
  int exponent = 0;
  const float mantissa =
      std::frexp(scale, &exponent);  // scale = mantissa * 2^exponent, mantissa in [0.5, 1)
  return std::ldexp(1.0F, mantissa == 0.5F ? exponent - 1 : exponent);
}

void rotate_reference(const RopeTable& table, int64_t position, std::span<float> head) {
  const int half = table.rope / 2;
  const bool outside = position < 0 || position >= table.max_position;
  const float* row = outside ? nullptr : table.cos_sin.get() + position * table.stride;
  for (int pair = 0; pair < half; ++pair) {
    const bool interleaved = table.layout == RopeLayout::kInterleaved;
    float& a = head[interleaved ? 2 * pair : pair];
    float& b = head[interleaved ? 2 * pair + 1 : pair + half];
    const float cosine = outside ? std::nanf("") : row[pair];
    const float sine = outside ? std::nanf("") : row[half + pair];
    const float rotated_a = a * cosine - b * sine;
    b = b * cosine + a * sine;
    a = rotated_a;
  }
}

}  // namespace slipstream::ops
