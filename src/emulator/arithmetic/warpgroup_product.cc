#include "emulator/arithmetic/warpgroup_product.h"

#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "emulator/arithmetic/cut_off.h"
#include "emulator/arithmetic/floating.h"
#include "emulator/arithmetic/half.h"

namespace slipstream::emulator {
namespace {

constexpr uint32_t kMaxDepth = kDepthBytes;  // elements of 8 bits
constexpr int32_t kFloatBias = 127;
constexpr uint32_t kFloatMantissaBits = 23;
constexpr int32_t kLowestFloatExponent = -126;
constexpr int32_t kLowestHalfExponent = -14;
// The exponent of zero: far below everything, and sums of two fit 16 bits.
constexpr int16_t kNothing = -8000;

// --- Elements. A subnormal has the exponent of the least normal number.

struct F16 {
  using Code = uint16_t;
  static constexpr int32_t kLowestExponent = kLowestHalfExponent;
  static float value(uint32_t code) {
    constexpr float kRebias = 0x1p112F;
    const float magnitude = std::bit_cast<float>((code & 0x7fffU) << 13U) * kRebias;
    const uint32_t special = (code & 0x7c00U) == 0x7c00U ? 0x7f800000U : 0;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | special |
                                (code & 0x8000U) << 16U);
  }
};
struct Bf16 {
  using Code = uint16_t;
  static constexpr int32_t kLowestExponent = kLowestFloatExponent;
  static float value(uint32_t code) { return std::bit_cast<float>(code << 16U); }
};
struct Tf32 {
  using Code = uint32_t;
  static constexpr int32_t kLowestExponent = kLowestFloatExponent;
  static float value(uint32_t code) { return std::bit_cast<float>(code & ~0x1fffU); }
};
struct E4m3 {
  using Code = uint8_t;
  static constexpr int32_t kLowestExponent = -6;
  static float value(uint32_t code) {
    constexpr float kRebias = 0x1p120F;
    const float magnitude = std::bit_cast<float>((code & 0x7fU) << 20U) * kRebias;
    const uint32_t special = (code & 0x7fU) == 0x7fU ? 0x7fc00000U : 0;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | special |
                                (code & 0x80U) << 24U);
  }
};
struct E5m2 {  // the upper half of an f16
  using Code = uint8_t;
  static constexpr int32_t kLowestExponent = F16::kLowestExponent;
  static float value(uint32_t code) { return F16::value(code << 8U); }
};
struct S8 {
  using Code = int8_t;
};
struct U8 {
  using Code = uint8_t;
};

template <class Element>
constexpr uint32_t kDepth = kDepthBytes / sizeof(typename Element::Code);
template <class Element>
constexpr UnitPrecision kPrecision = sizeof(typename Element::Code) == 1 ? kFp8Precision
                                                                         : kWidePrecision;

// --- Operands, taken apart.

int16_t exponent_of(float value, int32_t lowest) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const int32_t exponent =
      std::max(static_cast<int32_t>(bits >> kFloatMantissaBits & 0xffU) - kFloatBias, lowest);
  return static_cast<int16_t>(bits << 1U == 0 ? kNothing : exponent);
}

// value / 2^exponent_of(value, lowest).
float significand_of(float value, int32_t lowest) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const float normal = std::bit_cast<float>((bits & 0x807fffffU) | 0x3f800000U);
  const float subnormal = value * (lowest == kLowestFloatExponent ? 0x1p126F : 0x1p14F);
  return exponent_of(value, lowest) > lowest ? normal : subnormal;
}

bool is_finite(float value) {
  return (std::bit_cast<uint32_t>(value) & 0x7f800000U) != 0x7f800000U;
}

// Values of A by row and depth, of B by depth and column.
template <uint32_t kOuter, uint32_t kInner>
struct Decoded {
  alignas(64) std::array<std::array<float, kInner>, kOuter> value;
  alignas(64) std::array<std::array<int16_t, kInner>, kOuter> exponent;
  bool finite = true;
  int32_t reach = 0;  // how far exponents are from 0
};
using DecodedRows = Decoded<kWarpgroupRows, kMaxDepth>;
using DecodedColumns = Decoded<kMaxDepth, kWarpgroupColumns>;

template <class Element, uint32_t kOuter, uint32_t kInner>
void decode(const typename Element::Code* codes, uint32_t count, float sign, uint32_t outer,
            Decoded<kOuter, kInner>& into) {
  auto& values = into.value[outer];
  auto& exponents = into.exponent[outer];
  uint32_t special = 0;
  int32_t reach = 0;
  for (uint32_t i = 0; i < count; ++i) {
    const float value = Element::value(codes[i]) * sign;
    const int16_t exponent = exponent_of(value, Element::kLowestExponent);
    values[i] = value;
    exponents[i] = exponent;
    special |= is_finite(value) ? 0U : 1U;
    reach = std::max(reach, exponent == kNothing ? 0 : std::abs(int32_t{exponent}));
  }
  into.finite = into.finite && special == 0;
  into.reach = std::max(into.reach, reach);
}

template <class Element>
void decode_rows(const WarpgroupOperands& operands, float sign, DecodedRows& rows) {
  std::array<typename Element::Code, kDepth<Element>> codes;
  for (uint32_t row = 0; row < kWarpgroupRows; ++row) {
    std::memcpy(codes.data(), operands.a[row].data(), kDepthBytes);
    decode<Element>(codes.data(), kDepth<Element>, sign, row, rows);
  }
}

// The codes of all columns at one depth. Columns from `columns` on are zero.
template <class Code>
std::array<Code, kWarpgroupColumns> codes_at(const WarpgroupOperands& operands, uint32_t columns,
                                             uint32_t depth) {
  std::array<Code, kWarpgroupColumns> codes{};
  for (uint32_t column = 0; column < columns; ++column) {
    std::memcpy(&codes[column], operands.b[column].data() + depth * sizeof(Code), sizeof(Code));
  }
  return codes;
}

// The columns of a vector of exponents: what the loops below take at a time.
constexpr uint32_t kBlock = 16;

uint32_t round_up_to_block(uint32_t columns) { return (columns + kBlock - 1) / kBlock * kBlock; }

template <class Element>
void decode_columns(const WarpgroupOperands& operands, uint32_t columns, DecodedColumns& decoded) {
  for (uint32_t k = 0; k < kDepth<Element>; ++k) {
    const auto codes = codes_at<typename Element::Code>(operands, columns, k);
    decode<Element>(codes.data(), round_up_to_block(columns), 1.0F, k, decoded);
  }
}

// --- Sums.

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

// One row of A, and the columns of B from `first` on. The row outlives it.
struct RowBlock {
  const std::array<float, kMaxDepth>& values;
  const std::array<int16_t, kMaxDepth>& exponents;
  const DecodedColumns& b;
  uint32_t first = 0;
};

template <uint32_t kCount>
Shorts largest_exponent(const RowBlock& block, const BlockParts& accumulators) {
  auto largest = load<Shorts>(accumulators.exponent.data());
  for (uint32_t k = 0; k < kCount; ++k) {
    const Shorts exponent = block.exponents[k] + load<Shorts>(&block.b.exponent[k][block.first]);
    largest = exponent > largest ? exponent : largest;
  }
  return largest;
}

// The sum of the products of eight columns, each cut off below the unit, whose exponent field is
// `field`.
template <uint32_t kCount, Range kRange>
Ints sum_products(const RowBlock& block, uint32_t first, Ints field) {
  constexpr int32_t kLargestField = 254;
  const Ints in_range =
      at_least(field, 1) < kLargestField ? at_least(field, 1) : Ints{} + kLargestField;
  const Floats scale = power_of_field(in_range);
  Ints sum{};
  for (uint32_t k = 0; k < kCount; ++k) {
    const Floats product = block.values[k] * load<Floats>(&block.b.value[k][first]);
    if constexpr (kRange == Range::kModerate) {
      sum += __builtin_convertvector(product * scale, Ints);
    } else {
      sum += align(product, field + block.exponents[k] + widened(&block.b.exponent[k][first]));
    }
  }
  return sum;
}

// `accumulators` are those of the row.
template <class Element, Range kRange>
void multiply_row(RowBlock block, const ProductSettings& settings, float* accumulators) {
  constexpr UnitPrecision kUnit = kPrecision<Element>;
  const int32_t lowest = settings.rounds_to_half ? kLowestHalfExponent : kLowestFloatExponent;
  for (block.first = 0; block.first < settings.columns; block.first += kBlock) {
    const BlockParts parts = split(accumulators + block.first, lowest);
    const Shorts largest = largest_exponent<kDepth<Element>>(block, parts);
    alignas(32) std::array<int16_t, kBlock> all_largest;
    std::memcpy(all_largest.data(), &largest, sizeof(largest));
    for (uint32_t half = 0; half < kBlock; half += kVector) {
      ColumnSums sums{};
      sums.largest = widened(&all_largest[half]);
      const Ints field = kFloatBias + kUnit.kept_bits - sums.largest;
      sums.accumulator =
          align(load<Floats>(&parts.significand[half]), field + widened(&parts.exponent[half]));
      sums.products = sum_products<kDepth<Element>, kRange>(block, block.first + half, field);
      store<kUnit>(sums, settings.rounds_to_half, accumulators + block.first + half);
    }
  }
}

// Significands in the place of values.
template <class Element, uint32_t kOuter, uint32_t kInner>
void keep_significands(Decoded<kOuter, kInner>& operand) {
  for (auto& values : operand.value) {
    for (float& value : values) value = significand_of(value, Element::kLowestExponent);
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
void apply_specials(const std::array<float, kMaxDepth>& a, const DecodedColumns& b, uint32_t depth,
                    uint32_t columns, const float* before, float* accumulators) {
  for (uint32_t column = 0; column < columns; ++column) {
    double sum = before[column];
    for (uint32_t k = 0; k < depth; ++k) sum += static_cast<double>(a[k]) * b.value[k][column];
    if (!std::isfinite(sum)) accumulators[column] = canonical(static_cast<float>(sum));
  }
}

// --- Whole products.

struct Factors {
  const DecodedRows& a;
  const DecodedColumns& b;
};

// `factors` are what multiply_row takes: the values, or their significands.
template <class A, Range kRange>
void multiply_rows(const Factors& values, const Factors& factors, const ProductSettings& settings,
                   WarpgroupAccumulators& accumulators) {
  const bool finite = values.a.finite && values.b.finite;
  for (uint32_t row = 0; row < kWarpgroupRows; ++row) {
    auto* const bits = accumulators.bits[row].data();
    alignas(32) std::array<float, kWarpgroupColumns> sums{};
    if (settings.accumulates) std::memcpy(sums.data(), bits, settings.columns * sizeof(float));
    const auto before = sums;
    multiply_row<A, kRange>({factors.a.value[row], factors.a.exponent[row], factors.b}, settings,
                            sums.data());
    if (!finite || !all_finite(before.data(), settings.columns)) {
      apply_specials(values.a.value[row], values.b, kDepth<A>, settings.columns, before.data(),
                     sums.data());
    }
    std::memcpy(bits, sums.data(), settings.columns * sizeof(float));
  }
}

template <class A, class B>
void multiply_floats(const WarpgroupOperands& operands, const ProductSettings& settings,
                     WarpgroupAccumulators& accumulators) {
  DecodedRows a;
  DecodedColumns b;
  decode_rows<A>(operands, settings.negates ? -1.0F : 1.0F, a);
  decode_columns<B>(operands, settings.columns, b);
  const Factors values{a, b};
  if ((kAlwaysModerate<A> && kAlwaysModerate<B>) || std::max(a.reach, b.reach) <= kModerateReach) {
    multiply_rows<A, Range::kModerate>(values, values, settings, accumulators);
    return;
  }
  DecodedRows a_significands = a;
  DecodedColumns b_significands = b;
  keep_significands<A>(a_significands);
  keep_significands<B>(b_significands);
  multiply_rows<A, Range::kFull>(values, {a_significands, b_significands}, settings, accumulators);
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
