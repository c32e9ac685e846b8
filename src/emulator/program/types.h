// The C++ types that stand for PTX types in handlers.
#pragma once

#include <cstdint>

#include "code/ptx/module.h"

namespace slipstream::emulator {

// A predicate operand: not 32 lanes but one mask.
struct Predicate {};
// The bits of one half, bfloat16, or pair of them; arithmetic is in arithmetic/half.h.
struct Half {
  uint16_t bits;
};
struct BFloat16 {
  uint16_t bits;
};
struct Bits128 {
  uint64_t low;
  uint64_t high;
};

// How the lane of a C++ type appears in PTX: what an immediate becomes, and how wide a register is.
template <class T>
inline constexpr ptx::Type kPtxType = ptx::Type::kNone;
template <>
inline constexpr ptx::Type kPtxType<Predicate> = ptx::Type::kPred;
template <>
inline constexpr ptx::Type kPtxType<uint8_t> = ptx::Type::kU8;
template <>
inline constexpr ptx::Type kPtxType<int8_t> = ptx::Type::kS8;
template <>
inline constexpr ptx::Type kPtxType<uint16_t> = ptx::Type::kU16;
template <>
inline constexpr ptx::Type kPtxType<int16_t> = ptx::Type::kS16;
template <>
inline constexpr ptx::Type kPtxType<uint32_t> = ptx::Type::kU32;
template <>
inline constexpr ptx::Type kPtxType<int32_t> = ptx::Type::kS32;
template <>
inline constexpr ptx::Type kPtxType<uint64_t> = ptx::Type::kU64;
template <>
inline constexpr ptx::Type kPtxType<int64_t> = ptx::Type::kS64;
template <>
inline constexpr ptx::Type kPtxType<float> = ptx::Type::kF32;
template <>
inline constexpr ptx::Type kPtxType<double> = ptx::Type::kF64;
template <>
inline constexpr ptx::Type kPtxType<Half> = ptx::Type::kF16;
template <>
inline constexpr ptx::Type kPtxType<BFloat16> = ptx::Type::kBf16;
template <>
inline constexpr ptx::Type kPtxType<Bits128> = ptx::Type::kB128;

}  // namespace slipstream::emulator
