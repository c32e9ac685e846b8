// The operands of wgmma as the units see them: values, and exponents to align products by.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "emulator/arithmetic/warpgroup_product.h"

// A namespace of its own: mma.sync has elements of the same names, which lie in registers.
namespace slipstream::emulator::wgmma {

inline constexpr uint32_t kMaxDepth = kDepthBytes;  // elements of 8 bits
inline constexpr int32_t kFloatBias = 127;
inline constexpr uint32_t kFloatMantissaBits = 23;
inline constexpr int32_t kLowestFloatExponent = -126;
inline constexpr int32_t kLowestHalfExponent = -14;
// The exponent of zero: far below everything, and sums of two fit 16 bits.
inline constexpr int16_t kNothing = -8000;

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
inline constexpr uint32_t kDepth = kDepthBytes / sizeof(typename Element::Code);
template <class Element>
inline constexpr UnitPrecision kPrecision = sizeof(typename Element::Code) == 1 ? kFp8Precision
                                                                                : kWidePrecision;

// --- Operands, taken apart.

inline int16_t exponent_of(float value, int32_t lowest) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const int32_t exponent =
      std::max(static_cast<int32_t>(bits >> kFloatMantissaBits & 0xffU) - kFloatBias, lowest);
  return static_cast<int16_t>(bits << 1U == 0 ? kNothing : exponent);
}

// value / 2^exponent_of(value, lowest).
inline float significand_of(float value, int32_t lowest) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto normal = std::bit_cast<float>((bits & 0x807fffffU) | 0x3f800000U);
  const float subnormal = value * (lowest == kLowestFloatExponent ? 0x1p126F : 0x1p14F);
  return exponent_of(value, lowest) > lowest ? normal : subnormal;
}

inline bool is_finite(float value) {
  return (std::bit_cast<uint32_t>(value) & 0x7f800000U) != 0x7f800000U;
}

// What is known of all values of an operand.
struct ValueRange {
  bool finite = true;
  int32_t reach = 0;  // how far exponents are from 0
};

// The values of one row, or of one step of the depth, and their exponents.
template <class Element>
void decode(const typename Element::Code* codes, uint32_t count, float sign, float* values,
            int16_t* exponents, ValueRange& range) {
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
  range.finite = range.finite && special == 0;
  range.reach = std::max(range.reach, reach);
}

struct DecodedRow {
  std::array<float, kMaxDepth> value;
  std::array<int16_t, kMaxDepth> exponent;
};
struct DecodedRows {
  std::array<DecodedRow, kWarpgroupRows> rows;
  ValueRange range;
};

// Columns of B that a vector of exponents holds: what the loops below take at a time.
inline constexpr uint32_t kBlock = 16;

struct DecodedBlock {
  alignas(64) std::array<std::array<float, kBlock>, kMaxDepth> value;
  alignas(64) std::array<std::array<int16_t, kBlock>, kMaxDepth> exponent;
};
struct DecodedColumns {
  std::array<DecodedBlock, kWarpgroupColumns / kBlock> blocks;
  ValueRange range;
};

template <class Element>
void decode_rows(const WarpgroupOperands& operands, float sign, DecodedRows& decoded) {
  std::array<typename Element::Code, kDepth<Element>> codes;
  for (uint32_t row = 0; row < kWarpgroupRows; ++row) {
    std::memcpy(codes.data(), operands.a[row].data(), kDepthBytes);
    DecodedRow& into = decoded.rows[row];
    decode<Element>(codes.data(), kDepth<Element>, sign, into.value.data(), into.exponent.data(),
                    decoded.range);
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

inline uint32_t block_count(uint32_t columns) { return (columns + kBlock - 1) / kBlock; }

template <class Element>
void decode_columns(const WarpgroupOperands& operands, uint32_t columns, DecodedColumns& decoded) {
  for (uint32_t k = 0; k < kDepth<Element>; ++k) {
    const auto codes = codes_at<typename Element::Code>(operands, columns, k);
    for (uint32_t block = 0; block < block_count(columns); ++block) {
      DecodedBlock& into = decoded.blocks[block];
      decode<Element>(&codes[block * kBlock], kBlock, 1.0F, into.value[k].data(),
                      into.exponent[k].data(), decoded.range);
    }
  }
}

}  // namespace slipstream::emulator::wgmma
