#include "support/random.h"

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <stdexcept>

namespace slipstream::test {
namespace {

// The bits of `value` in `dtype`.
uint32_t bits_in(DType dtype, float value) {
  switch (dtype) {
    case DType::kBFloat16:
      return std::bit_cast<uint16_t>(__float2bfloat16_rn(value));
    case DType::kFloat16:
      return std::bit_cast<uint16_t>(__float2half_rn(value));
    default:
      return std::bit_cast<uint32_t>(value);
  }
}

// Zeros, the smallest subnormal, the smallest normal number, one, the largest finite number; both
// signs.
uint32_t edge_bits(DType dtype, uint64_t choice) {
  constexpr std::array<uint32_t, 5> kBFloat16{0, 1, 0x0080, 0x3f80, 0x7f7f};
  constexpr std::array<uint32_t, 5> kFloat16{0, 1, 0x0400, 0x3c00, 0x7bff};
  constexpr std::array<uint32_t, 5> kFloat32{0, 1, 0x00800000, 0x3f800000, 0x7f7fffff};
  const auto& table = dtype == DType::kBFloat16  ? kBFloat16
                      : dtype == DType::kFloat16 ? kFloat16
                                                 : kFloat32;
  const uint32_t sign = dtype == DType::kFloat32 ? 0x80000000U : 0x8000U;
  return table[choice / 2 % table.size()] | (choice % 2 == 0 ? 0U : sign);
}

float nonfinite(uint64_t choice) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr std::array<float, 3> kValues{kInfinity, -kInfinity,
                                         std::numeric_limits<float>::quiet_NaN()};
  return kValues[choice % kValues.size()];
}

}  // namespace

int64_t Random::integer(int64_t low, int64_t high) {
  return low + static_cast<int64_t>(bits() % static_cast<uint64_t>(high - low + 1));
}

float Random::value(double largest, double octaves) {
  const double magnitude = largest * std::exp2(-octaves * unit());
  return static_cast<float>((bits() & 1U) == 0 ? magnitude : -magnitude);
}

std::vector<int64_t> Random::distinct(int64_t count, int64_t limit) {
  if (count > limit) throw std::invalid_argument("more distinct integers than there are");
  std::vector<int64_t> values(static_cast<size_t>(limit));
  std::iota(values.begin(), values.end(), 0);
  for (int64_t i = 0; i < count; ++i) std::swap(values[i], values[integer(i, limit - 1)]);
  values.resize(static_cast<size_t>(count));
  return values;
}

std::vector<uint8_t> random_floats(Random& random, DType dtype, int64_t count,
                                   const FloatFill& fill) {
  constexpr uint64_t kOneIn = 61;  // a prime, so that special values fall on every lane
  const int64_t element = size_of(dtype);
  std::vector<uint8_t> bytes(static_cast<size_t>(count * element));
  for (int64_t i = 0; i < count; ++i) {
    const uint64_t choice = random.bits();
    uint32_t bits = bits_in(dtype, random.value(fill.largest, fill.octaves));
    if (fill.edges && choice % kOneIn == 0) bits = edge_bits(dtype, choice / kOneIn);
    if (fill.nonfinite && choice % kOneIn == 1) bits = bits_in(dtype, nonfinite(choice / kOneIn));
    std::memcpy(bytes.data() + i * element, &bits, static_cast<size_t>(element));
  }
  return bytes;
}

}  // namespace slipstream::test
