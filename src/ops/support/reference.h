// Conversions and scales for the references: fp32, one rounding at a time, division where the
// formula divides.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ops/support/rope.h"
#include "slipstream/tensor.h"

namespace slipstream::ops {

// A 16-bit float of the given dtype as fp32, and back with one rounding to nearest even.
[[nodiscard]] float float_from_bits(uint16_t bits, DType dtype);
[[nodiscard]] uint16_t bits_from_float(float value, DType dtype);

[[nodiscard]] std::vector<float> floats_from_bits(std::span<const uint16_t> bits, DType dtype);

// Round to nearest even; infinities saturate to the largest finite value, NaN gives 0x7f.
[[nodiscard]] uint8_t fp8_from_float(float value, DType dtype);

// max(min(amax, FLT_MAX), eps) / max_code over all values but NaN; rounded up to a power of two on
// request.
[[nodiscard]] float group_scale_reference(std::span<const float> values, float eps, float max_code,
                                          bool power_of_two);

// Rotates the pairs of one head in place; NaN where `position` is outside the table.
void rotate_reference(const RopeTable& table, int64_t position, std::span<float> head);

}  // namespace slipstream::ops
