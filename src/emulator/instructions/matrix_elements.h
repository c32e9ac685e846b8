// The elements of matrices that lie in registers of a warp, and what their codes mean.
#pragma once

#include <array>
#include <bit>
#include <cstdint>

#include "emulator/arithmetic/half.h"
#include "emulator/arithmetic/narrow_float.h"

namespace slipstream::emulator {

template <uint32_t kWidth>
struct InWord {
  using Register = uint32_t;
  static constexpr uint32_t kBits = kWidth;
};
struct F16 : InWord<16> {
  static float value(uint32_t code) { return to_float(Half{static_cast<uint16_t>(code)}); }
};
struct Bf16 : InWord<16> {
  static float value(uint32_t code) { return std::bit_cast<float>(code << 16U); }
};
struct Tf32 : InWord<32> {
  static float value(uint32_t code) { return std::bit_cast<float>(code & ~0x1fffU); }
};
template <const FloatFormat& kFormat>
struct Fp8 : InWord<8> {
  static float value(uint32_t code) {
    static const auto kValues = [] {
      std::array<float, 256> values{};
      for (uint32_t i = 0; i < values.size(); ++i) values[i] = decode(i, kFormat);
      return values;
    }();
    return kValues[code];
  }
};
using E4m3 = Fp8<kE4m3Format>;
using E5m2 = Fp8<kE5m2Format>;
struct S8 : InWord<8> {
  static int32_t value(uint32_t code) { return static_cast<int8_t>(code); }
};
struct U8 : InWord<8> {
  static int32_t value(uint32_t code) { return static_cast<int32_t>(code); }
};
struct S4 : InWord<4> {
  static int32_t value(uint32_t code) { return static_cast<int32_t>(code << 28U) >> 28; }
};
struct U4 : InWord<4> {
  static int32_t value(uint32_t code) { return static_cast<int32_t>(code); }
};
// 32 bits at once: they meet only bits of the same place.
struct Bits : InWord<32> {
  static uint32_t value(uint32_t code) { return code; }
};
struct F64 {
  using Register = double;
  static constexpr uint32_t kBits = 64;
  static double value(double number) { return number; }
};

template <class Element>
using ValueOf = decltype(Element::value({}));
template <class Element>
constexpr uint32_t kPerRegister = 8 * sizeof(typename Element::Register) / Element::kBits;

template <const FloatFormat& kFormat>
constexpr bool is_fp8(const Fp8<kFormat>* /*element*/) {
  return true;
}
constexpr bool is_fp8(const void* /*element*/) { return false; }

// Where element i of register `block` goes along the depth. Of fp8, the unit takes the first two elements of every
// register in its first step and the others in its second.
template <class Element, uint32_t kDepth>
constexpr uint32_t depth_of(uint32_t block, uint32_t i) {
  if constexpr (is_fp8(static_cast<const Element*>(nullptr)))
    return kDepth / 2 * (i / 2) + 2 * block + i % 2;
  return block * kPerRegister<Element> + i;
}

// Calls set(i, value) for each element of a register.
template <class Element, class Set>
void for_each_element(typename Element::Register packed, Set set) {
  if constexpr (kPerRegister<Element> == 1) {
    set(0, Element::value(packed));
  } else {
    for (uint32_t i = 0; i < kPerRegister<Element>; ++i) {
      constexpr uint32_t kMask = (1U << Element::kBits) - 1;
      set(i, Element::value(packed >> (i * Element::kBits) & kMask));
    }
  }
}

}  // namespace slipstream::emulator
