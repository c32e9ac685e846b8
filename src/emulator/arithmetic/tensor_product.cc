#include "emulator/arithmetic/tensor_product.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "emulator/arithmetic/cut_off.h"
#include "emulator/arithmetic/floating.h"
#include "emulator/arithmetic/half.h"

namespace slipstream::emulator {
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

// The eight columns of a tile as vectors: the compiler finds no good order for these loops itself.
using Floats = float __attribute__((vector_size(kTileColumns * sizeof(float))));
using Ints = int32_t __attribute__((vector_size(kTileColumns * sizeof(int32_t))));

template <class Vector, class Array>
Vector load(const Array& array) {
  static_assert(sizeof(Vector) == sizeof(Array));
  Vector vector;
  std::memcpy(&vector, array.data(), sizeof(vector));
  return vector;
}

template <class Vector>
Vector larger(Vector a, Vector b) {
  return a > b ? a : b;
}

// One value for each column of the tile.
using Floats = float __attribute__((vector_size(kTileColumns * sizeof(float))));
using Integers = int32_t __attribute__((vector_size(kTileColumns * sizeof(int32_t))));

template <class Vector, class T>
Vector load(const std::array<T, kTileColumns>& values) {
  Vector vector;
  std::memcpy(&vector, values.data(), sizeof(vector));
  return vector;
}

// significand * 2^(kKeptBits - distance), cut off; `field` is the exponent field of that power,
// negative where it is far below everything.
Integers align(Floats significand, Integers field) {
  const Integers in_range = field > 0 ? field : Integers{};
  return __builtin_convertvector(
      significand * std::bit_cast<Floats>(in_range << kFloatMantissaBits), Integers);
}

struct RowSums {
  std::array<double, kTileColumns> value;
};

// The sums of one row, exact after the cuts. `depth` is even.
RowSums sum_row(const Parts<kTileDepth>& a, const std::array<Parts<kTileColumns>, kTileDepth>& b,
                uint32_t depth, const Parts<kTileColumns>& c) {
  const auto exponents = load<Integers>(c.exponent);
  Integers largest = exponents;
  for (uint32_t k = 0; k < depth; ++k) {
    const Integers exponent = a.exponent[k] + load<Integers>(b[k].exponent);
    largest = exponent > largest ? exponent : largest;
  }
  const Integers field_of_zero = kFloatBias + kKeptBits - largest;
  const auto product = [&](uint32_t k) {
    return align(a.significand[k] * load<Floats>(b[k].significand),
                 field_of_zero + a.exponent[k] + load<Integers>(b[k].exponent));
  };
  // Products are below 2^(kKeptBits + 2): eight of them and the accumulator fit 32 bits.
  Integers even = align(load<Floats>(c.significand), field_of_zero + exponents);
  Integers odd{};
  for (uint32_t k = 0; k < depth; k += 2) {
    even += product(k);
    odd += product(k + 1);
  }
  RowSums sums;
  for (uint32_t column = 0; column < kTileColumns; ++column) {
    constexpr int64_t kDoubleBias = 1023;
    constexpr uint32_t kDoubleMantissaBits = 52;
    const int64_t field = std::max<int64_t>(largest[column] - kKeptBits + kDoubleBias, 0);
    const auto unit = std::bit_cast<double>(static_cast<uint64_t>(field) << kDoubleMantissaBits);
    sums.value[column] = (static_cast<double>(even[column]) + odd[column]) * unit;
  }
  return sums;
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
    const RowSums sums = sum_row(a, b, depth, c);
    for (uint32_t column = 0; column < kTileColumns; ++column) {
      accumulator.value[row][column] = kRound(sums.value[column]);
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

}  // namespace slipstream::emulator
