#include "emulator/arithmetic/warpgroup_product.h"

#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "emulator/arithmetic/cut_off.h"
#include "emulator/arithmetic/decoded_operands.h"
#include "emulator/arithmetic/floating.h"
#include "emulator/arithmetic/half.h"

namespace slipstream::emulator {
namespace {

using namespace wgmma;

using Floats = float __attribute__((vector_size(32)));
using Ints = int32_t __attribute__((vector_size(32)));
using Shorts = int16_t __attribute__((vector_size(2 * kBlock)));
using HalfOfShorts = int16_t __attribute__((vector_size(kBlock)));
using FourInts = int32_t __attribute__((vector_size(16)));
using FourFloats = float __attribute__((vector_size(16)));
using FourLongs = int64_t __attribute__((vector_size(32)));
using FourDoubles = double __attribute__((vector_size(32)));
constexpr uint32_t kVector = 8;  // columns of Floats and Ints

template <class Vector>
Vector load(const void* from) {
  Vector vector;
  std::memcpy(&vector, from, sizeof(vector));
  return vector;
}

Ints at_least(Ints values, int32_t least) { return values > least ? values : Ints{} + least; }

// 2^(field - bias), by the exponent field.
Floats power_of_field(Ints field) { return std::bit_cast<Floats>(field << kFloatMantissaBits); }

// significand * 2^(field - bias), cut off to an integer; 0 where the field is below everything.
Ints align(Floats significand, Ints field) {
  return __builtin_convertvector(significand * power_of_field(at_least(field, 0)), Ints);
}

// The sums of eight columns, in units of 2^(largest - kept_bits).
struct ColumnSums {
  Ints products;
  Ints accumulator;
  Ints largest;  // exponent
};

// Finishes the sums of units with many bits, of four columns.
void store_four(FourInts products, FourInts accumulator, FourInts largest, bool needs_care,
                bool rounds_to_half, float* results) {
  constexpr int64_t kDoubleBias = 1023;
  constexpr uint32_t kDoubleMantissaBits = 52;
  constexpr int64_t kDroppedBits = (1LL << (kDoubleMantissaBits - kFloatMantissaBits)) - 1;
  const FourLongs field =
      __builtin_convertvector(largest, FourLongs) + (kDoubleBias - kWidePrecision.kept_bits);
  const FourDoubles value = (__builtin_convertvector(products, FourDoubles) +
                             __builtin_convertvector(accumulator, FourDoubles)) *
                            std::bit_cast<FourDoubles>(field << kDoubleMantissaBits);
  if (needs_care) {
    for (uint32_t i = 0; i < kVector / 2; ++i) {
      results[i] = rounds_to_half ? to_float(from_double<Half>(value[i])) : cut_off(value[i]);
    }
    return;
  }
  const auto bits = std::bit_cast<FourLongs>(value) & ~kDroppedBits;
  const FourFloats result = __builtin_convertvector(std::bit_cast<FourDoubles>(bits), FourFloats);
  std::memcpy(results, &result, sizeof(result));
}

inline void store_wide(const ColumnSums& sums, bool rounds_to_half, float* results) {
  constexpr int32_t kLowest = -900;      // of what is no zero, and of use
  constexpr int32_t kFarFromTiny = -90;  // from here on no sum is a subnormal f32
  const Ints tiny = (sums.largest < kFarFromTiny) & (sums.largest > kLowest);
  const bool needs_care = rounds_to_half || _mm256_movemask_epi8(std::bit_cast<__m256i>(tiny)) != 0;
  const Ints largest = at_least(sums.largest, kLowest);
  const auto low = [](Ints all) { return __builtin_shufflevector(all, all, 0, 1, 2, 3); };
  const auto high = [](Ints all) { return __builtin_shufflevector(all, all, 4, 5, 6, 7); };
  store_four(low(sums.products), low(sums.accumulator), low(largest), needs_care, rounds_to_half,
             results);
  store_four(high(sums.products), high(sums.accumulator), high(largest), needs_care, rounds_to_half,
             results + kVector / 2);
}

// The same for units with few bits: everything is exact in f32 until the result is cut off.
void store_narrow(const ColumnSums& sums, bool rounds_to_half, float* results) {
  constexpr float kUnit = 1.0F / static_cast<float>(1U << kFp8Precision.kept_bits);
  constexpr int32_t kDroppedBits = (1 << (kFloatMantissaBits - kFp8Precision.mantissa_bits)) - 1;
  const Floats total = __builtin_convertvector(sums.products + sums.accumulator, Floats) * kUnit;
  const Floats value = total * power_of_field(at_least(sums.largest + kFloatBias, 1));
  if (rounds_to_half) {
    for (uint32_t i = 0; i < kVector; ++i) results[i] = to_float(to_half(value[i]));
  } else {
    const auto shortened = std::bit_cast<Floats>(std::bit_cast<Ints>(value) & ~kDroppedBits);
    std::memcpy(results, &shortened, sizeof(shortened));
  }
}

template <UnitPrecision kUnit>
void store(const ColumnSums& sums, bool rounds_to_half, float* results) {
  if constexpr (kUnit.kept_bits == kWidePrecision.kept_bits) {
    store_wide(sums, rounds_to_half, results);
  } else {
    store_narrow(sums, rounds_to_half, results);
  }
}

// Whether products of the operands stay in f32's range. If so, a product is multiplied by one power
// of two; otherwise significands and exponents are kept apart.
enum class Range : uint8_t { kModerate, kFull };
constexpr int32_t kModerateReach = 50;

template <class Element>
constexpr bool kAlwaysModerate = Element::kLowestExponent > -kModerateReach;

Ints widened(const int16_t* from) {
  return __builtin_convertvector(load<HalfOfShorts>(from), Ints);
}

// The accumulators of one block.
struct BlockParts {
  alignas(32) std::array<float, kBlock> significand;
  alignas(32) std::array<int16_t, kBlock> exponent;
};

BlockParts split(const float* values, int32_t lowest) {
  BlockParts parts;
  for (uint32_t i = 0; i < kBlock; ++i) {
    parts.exponent[i] = exponent_of(values[i], lowest);
    parts.significand[i] = significand_of(values[i], lowest);
  }
  return parts;
}

template <uint32_t kCount>
Shorts largest_exponent(const DecodedRow& a, const DecodedBlock& b,
                        const BlockParts& accumulators) {
  auto largest = load<Shorts>(accumulators.exponent.data());
  for (uint32_t k = 0; k < kCount; ++k) {
    const Shorts exponent = a.exponent[k] + load<Shorts>(b.exponent[k].data());
    largest = exponent > largest ? exponent : largest;
  }
  return largest;
}

// The sums of the products of the eight columns from `first` on, each cut off below the unit, whose
// exponent field is `field`.
template <uint32_t kCount, Range kRange>
Ints sum_products(const DecodedRow& a, const DecodedBlock& b, uint32_t first, Ints field) {
  constexpr int32_t kLargestField = 254;
  const Ints at_least_one = at_least(field, 1);
  const Floats scale =
      power_of_field(at_least_one < kLargestField ? at_least_one : Ints{} + kLargestField);
  Ints sum{};
  for (uint32_t k = 0; k < kCount; ++k) {
    const Floats product = a.value[k] * load<Floats>(&b.value[k][first]);
    if constexpr (kRange == Range::kModerate) {
      sum += __builtin_convertvector(product * scale, Ints);
    } else {
      sum += align(product, field + a.exponent[k] + widened(&b.exponent[k][first]));
    }
  }
  return sum;
}

// `accumulators` are those of the row and the block.
template <class Element, Range kRange>
void multiply_block(const DecodedRow& a, const DecodedBlock& b, bool rounds_to_half,
                    float* accumulators) {
  constexpr UnitPrecision kUnit = kPrecision<Element>;
  const BlockParts parts =
      split(accumulators, rounds_to_half ? kLowestHalfExponent : kLowestFloatExponent);
  const Shorts largest = largest_exponent<kDepth<Element>>(a, b, parts);
  alignas(32) std::array<int16_t, kBlock> all_largest;
  std::memcpy(all_largest.data(), &largest, sizeof(largest));
  for (uint32_t first = 0; first < kBlock; first += kVector) {
    ColumnSums sums{};
    sums.largest = widened(&all_largest[first]);
    const Ints field = kFloatBias + kUnit.kept_bits - sums.largest;
    sums.accumulator =
        align(load<Floats>(&parts.significand[first]), field + widened(&parts.exponent[first]));
    sums.products = sum_products<kDepth<Element>, kRange>(a, b, first, field);
    store<kUnit>(sums, rounds_to_half, accumulators + first);
  }
}

// --- Infinities and NaNs.

bool all_finite(const float* values, uint32_t count) {
  uint32_t special = 0;
  for (uint32_t i = 0; i < count; ++i) special |= is_finite(values[i]) ? 0U : 1U;
  return special == 0;
}

// Puts into a row what infinities and NaNs make of its sums. `before` are the accumulators as they
// were, `a` and `b` the values.
void apply_specials(const DecodedRow& a, const DecodedColumns& b, uint32_t depth, uint32_t columns,
                    const float* before, float* accumulators) {
  for (uint32_t column = 0; column < columns; ++column) {
    const DecodedBlock& block = b.blocks[column / kBlock];
    double sum = before[column];
    for (uint32_t k = 0; k < depth; ++k) {
      sum += static_cast<double>(a.value[k]) * block.value[k][column % kBlock];
    }
    if (!std::isfinite(sum)) accumulators[column] = canonical(static_cast<float>(sum));
  }
}

// --- Whole products.

struct Factors {
  const DecodedRows& a;
  const DecodedColumns& b;
};

// `factors` are what multiply_block takes: the values, or their significands.
template <class A, Range kRange>
void multiply_rows(const Factors& values, const Factors& factors, const ProductSettings& settings,
                   WarpgroupAccumulators& accumulators) {
  const bool finite = values.a.range.finite && values.b.range.finite;
  const uint32_t blocks = block_count(settings.columns);
  const size_t bytes = settings.columns * sizeof(float);
  for (uint32_t row = 0; row < kWarpgroupRows; ++row) {
    auto* const bits = accumulators.bits[row].data();
    alignas(32) std::array<float, kWarpgroupColumns> sums;
    std::fill_n(sums.begin(), blocks * kBlock, 0.0F);
    if (settings.accumulates) std::memcpy(sums.data(), bits, bytes);
    const bool is_special = !finite || !all_finite(sums.data(), settings.columns);
    std::array<float, kWarpgroupColumns> before;
    if (is_special) before = sums;
    for (uint32_t block = 0; block < blocks; ++block) {
      multiply_block<A, kRange>(factors.a.rows[row], factors.b.blocks[block],
                                settings.rounds_to_half, &sums[block * kBlock]);
    }
    if (is_special) {
      apply_specials(values.a.rows[row], values.b, kDepth<A>, settings.columns, before.data(),
                     sums.data());
    }
    std::memcpy(bits, sums.data(), bytes);
  }
}

// Significands in the place of values.
template <class Element>
DecodedRows significands_of(const DecodedRows& values) {
  DecodedRows a = values;
  for (DecodedRow& row : a.rows) {
    for (uint32_t k = 0; k < kDepth<Element>; ++k) {
      row.value[k] = significand_of(row.value[k], Element::kLowestExponent);
    }
  }
  return a;
}
template <class Element>
DecodedColumns significands_of(const DecodedColumns& values, uint32_t columns) {
  DecodedColumns b = values;
  for (uint32_t block = 0; block < block_count(columns); ++block) {
    for (uint32_t k = 0; k < kDepth<Element>; ++k) {
      for (float& value : b.blocks[block].value[k]) {
        value = significand_of(value, Element::kLowestExponent);
      }
    }
  }
  return b;
}

template <class A, class B>
void multiply_floats(const WarpgroupOperands& operands, const ProductSettings& settings,
                     WarpgroupAccumulators& accumulators) {
  DecodedRows a;
  DecodedColumns b;
  decode_rows<A>(operands, settings.negates ? -1.0F : 1.0F, a);
  decode_columns<B>(operands, settings.columns, b);
  const Factors values{a, b};
  if ((kAlwaysModerate<A> && kAlwaysModerate<B>) ||
      std::max(a.range.reach, b.range.reach) <= kModerateReach) {
    multiply_rows<A, Range::kModerate>(values, values, settings, accumulators);
  } else {
    multiply_rows<A, Range::kFull>(values,
                                   {significands_of<A>(a), significands_of<B>(b, settings.columns)},
                                   settings, accumulators);
  }
}

template <class A, class B>
void multiply_integers(const WarpgroupOperands& operands, const ProductSettings& settings,
                       WarpgroupAccumulators& accumulators) {
  // Pairs along the depth, which one instruction multiplies and adds.
  using Pair = std::array<int16_t, 2>;
  std::array<std::array<Pair, kWarpgroupColumns>, kMaxDepth / 2> b;
  for (uint32_t k = 0; k < kMaxDepth; ++k) {
    const auto codes = codes_at<typename B::Code>(operands, settings.columns, k);
    for (uint32_t column = 0; column < settings.columns; ++column) {
      b[k / 2][column][k % 2] = codes[column];
    }
  }
  for (uint32_t row = 0; row < kWarpgroupRows; ++row) {
    std::array<typename A::Code, kMaxDepth> a;
    std::memcpy(a.data(), operands.a[row].data(), kDepthBytes);
    for (uint32_t column = 0; column < settings.columns; column += kVector) {
      __m256i products = _mm256_setzero_si256();
      for (uint32_t pair = 0; pair < kMaxDepth / 2; ++pair) {
        const Pair both{a[2 * pair], a[2 * pair + 1]};
        products = _mm256_add_epi32(
            products, _mm256_madd_epi16(_mm256_set1_epi32(std::bit_cast<int32_t>(both)),
                                        load<__m256i>(&b[pair][column])));
      }
      const Ints sums = std::bit_cast<Ints>(products);
      uint32_t* const bits = &accumulators.bits[row][column];
      for (uint32_t i = 0; i < kVector; ++i) {
        using Limits = std::numeric_limits<int32_t>;
        const int64_t before = settings.accumulates ? std::bit_cast<int32_t>(bits[i]) : 0;
        const int64_t sum = before + sums[i];
        bits[i] = static_cast<uint32_t>(
            settings.saturates ? std::clamp<int64_t>(sum, Limits::min(), Limits::max()) : sum);
      }
    }
  }
}

struct Row {
  ElementType a;
  ElementType b;
  WarpgroupMultiply multiply;
};
constexpr auto kRows = std::to_array<Row>({
    {ElementType::kF16, ElementType::kF16, &multiply_floats<F16, F16>},
    {ElementType::kBf16, ElementType::kBf16, &multiply_floats<Bf16, Bf16>},
    {ElementType::kTf32, ElementType::kTf32, &multiply_floats<Tf32, Tf32>},
    {ElementType::kE4m3, ElementType::kE4m3, &multiply_floats<E4m3, E4m3>},
    {ElementType::kE4m3, ElementType::kE5m2, &multiply_floats<E4m3, E5m2>},
    {ElementType::kE5m2, ElementType::kE4m3, &multiply_floats<E5m2, E4m3>},
    {ElementType::kE5m2, ElementType::kE5m2, &multiply_floats<E5m2, E5m2>},
    {ElementType::kS8, ElementType::kS8, &multiply_integers<S8, S8>},
    {ElementType::kS8, ElementType::kU8, &multiply_integers<S8, U8>},
    {ElementType::kU8, ElementType::kS8, &multiply_integers<U8, S8>},
    {ElementType::kU8, ElementType::kU8, &multiply_integers<U8, U8>},
});

}  // namespace

WarpgroupMultiply warpgroup_multiply(ElementType a, ElementType b) {
  const auto* const row = std::find_if(kRows.begin(), kRows.end(),
                                       [&](const Row& one) { return one.a == a && one.b == b; });
  return row == kRows.end() ? nullptr : row->multiply;
}

}  // namespace slipstream::emulator
