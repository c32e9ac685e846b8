#include "emulator/isa/tensor_product.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "emulator/isa/floating.h"
#include "emulator/isa/half.h"

namespace slipstream::emulator::isa {
namespace {

// Bits below the largest exponent that take part in a sum.
constexpr int32_t kKeptBits = 25;
// The exponent of zero: far below everything.
constexpr int32_t kNothing = -100000;
constexpr int32_t kFloatBias = 127;
constexpr uint32_t kFloatMantissaBits = 23;

// Values taken apart: significand in [1, 2) with its sign, or 0; not finite counts as 0 here.
template <size_t kCount>
struct Parts {
  alignas(32) std::array<float, kCount> significand;
  alignas(32) std::array<int32_t, kCount> exponent;
};

template <size_t kCount>
void split(const float* values, Parts<kCount>& parts) {
  for (size_t i = 0; i < kCount; ++i) {
    const auto bits = std::bit_cast<uint32_t>(values[i]);
    const auto field = static_cast<int32_t>(bits >> kFloatMantissaBits & 0xffU);
    const bool counts = field != 0 && field != 0xff;
    parts.significand[i] = counts ? std::bit_cast<float>((bits & 0x807fffffU) | 0x3f800000U) : 0.0F;
    parts.exponent[i] = counts ? field - kFloatBias : kNothing;
  }
}

bool all_finite(const float* values, size_t count) {
  uint32_t found = 0;
  for (size_t i = 0; i < count; ++i) {
    found |= (std::bit_cast<uint32_t>(values[i]) & 0x7f800000U) == 0x7f800000U ? 1U : 0U;
  }
  return found == 0;
}

// value * 2^(kKeptBits - distance), cut off; `distance` is how far its exponent lies below the
// largest.
int32_t align(float significand, int32_t distance) {
  const int32_t field = std::max(kFloatBias + kKeptBits - distance, 0);
  const auto scale = std::bit_cast<float>(static_cast<uint32_t>(field) << kFloatMantissaBits);
  return static_cast<int32_t>(significand * scale);
}

using Row = std::array<double, kTileColumns>;

// The sums of one row, exact after the cuts.
Row sum_row(const Parts<kTileDepth>& a, const std::array<Parts<kTileColumns>, kTileDepth>& b,
            uint32_t depth, const Parts<kTileColumns>& c) {
  alignas(32) std::array<int32_t, kTileColumns> largest = c.exponent;
  for (uint32_t k = 0; k < depth; ++k) {
    for (uint32_t column = 0; column < kTileColumns; ++column) {
      largest[column] = std::max(largest[column], a.exponent[k] + b[k].exponent[column]);
    }
  }
  // Products are below 2^(kKeptBits + 2): eight of them and the accumulator fit 32 bits.
  alignas(32) std::array<std::array<int32_t, kTileColumns>, 2> sums{};
  for (uint32_t k = 0; k < depth; ++k) {
    for (uint32_t column = 0; column < kTileColumns; ++column) {
      const int32_t exponent = a.exponent[k] + b[k].exponent[column];
      sums[k % 2][column] +=
          align(a.significand[k] * b[k].significand[column], largest[column] - exponent);
    }
  }
  Row result;
  for (uint32_t column = 0; column < kTileColumns; ++column) {
    const int32_t accumulator = align(c.significand[column], largest[column] - c.exponent[column]);
    const double sum = static_cast<double>(sums[0][column]) + sums[1][column] + accumulator;
    constexpr int64_t kDoubleBias = 1023;
    constexpr uint32_t kDoubleMantissaBits = 52;
    const int64_t field = std::max<int64_t>(largest[column] - kKeptBits + kDoubleBias, 0);
    result[column] =
        sum * std::bit_cast<double>(static_cast<uint64_t>(field) << kDoubleMantissaBits);
  }
  return result;
}

// Cut off to f32, never rounded up; infinite only from 2^128 on.
float cut_off(double value) {
  constexpr double kInfiniteFrom = 0x1p128;
  const auto nearest = static_cast<float>(value);
  const double magnitude = std::fabs(value);
  if (std::fabs(static_cast<double>(nearest)) <= magnitude || magnitude >= kInfiniteFrom) {
    return nearest;
  }
  return std::bit_cast<float>(std::bit_cast<uint32_t>(nearest) - 1);
}

// What infinities and NaNs make of one result; finite if there are none.
double sum_of_specials(const TileStep& step, uint32_t depth, uint32_t row, uint32_t column,
                       float accumulator) {
  double sum = accumulator;
  for (uint32_t k = 0; k < depth; ++k) {
    sum += static_cast<double>(step.a[row][k]) * step.b[k][column];
  }
  return sum;
}

template <auto kRound>
void multiply(const TileStep& step, uint32_t depth, TileAccumulator& accumulator) {
  std::array<Parts<kTileColumns>, kTileDepth> b;
  bool is_finite = true;
  for (uint32_t k = 0; k < depth; ++k) {
    split(step.b[k].data(), b[k]);
    is_finite = is_finite && all_finite(step.b[k].data(), kTileColumns);
  }
  for (uint32_t row = 0; row < kTileRows; ++row) {
    Parts<kTileDepth> a;
    Parts<kTileColumns> c;
    const auto before = accumulator.value[row];
    split(step.a[row].data(), a);
    split(before.data(), c);
    const Row sums = sum_row(a, b, depth, c);
    for (uint32_t column = 0; column < kTileColumns; ++column) {
      accumulator.value[row][column] = kRound(sums[column]);
    }
    if (is_finite && all_finite(step.a[row].data(), depth) &&
        all_finite(before.data(), kTileColumns)) {
      continue;
    }
    for (uint32_t column = 0; column < kTileColumns; ++column) {
      const double special = sum_of_specials(step, depth, row, column, before[column]);
      if (!std::isfinite(special)) {
        accumulator.value[row][column] = canonical(static_cast<float>(special));
      }
    }
  }
}

float round_to_half(double value) { return to_float(from_double<Half>(value)); }

}  // namespace

void multiply_add(const TileStep& step, uint32_t depth, TileAccumulator& accumulator) {
  multiply<&cut_off>(step, depth, accumulator);
}

void multiply_add_half(const TileStep& step, uint32_t depth, TileAccumulator& accumulator) {
  multiply<&round_to_half>(step, depth, accumulator);
}

}  // namespace slipstream::emulator::isa
