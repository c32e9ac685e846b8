// Integer arithmetic.
#include <algorithm>
#include <array>
#include <limits>
#include <type_traits>

#include "emulator/instructions/families.h"
#include "emulator/instructions/integer_forms.h"
#include "emulator/instructions/lanes.h"

namespace slipstream::emulator {
namespace {

// Arithmetic in the unsigned type wraps; the signed results have the same bits.
constexpr auto kAdd = [](auto a, auto b) {
  using U = std::make_unsigned_t<decltype(a)>;
  return static_cast<decltype(a)>(static_cast<U>(a) + static_cast<U>(b));
};
constexpr auto kSubtract = [](auto a, auto b) { return static_cast<decltype(a)>(a - b); };
constexpr auto kNegate = [](auto a) { return static_cast<decltype(a)>(0 - a); };
constexpr auto kMultiplyLow = [](auto a, auto b) {
  using T = decltype(a);
  return static_cast<T>(static_cast<Wide<T>>(a) * b);
};
constexpr auto kMultiplyLow64 = [](uint64_t a, uint64_t b) { return a * b; };
constexpr auto kMultiplyWide = [](auto a, auto b) {
  using W = Wide<decltype(a)>;
  return static_cast<W>(static_cast<W>(a) * static_cast<W>(b));
};
constexpr auto kMultiplyAddLow = [](auto a, auto b, auto c) { return kAdd(kMultiplyLow(a, b), c); };
constexpr auto kMultiplyAddLow64 = [](uint64_t a, uint64_t b, uint64_t c) { return a * b + c; };
constexpr auto kMultiplyAddHigh = [](auto a, auto b, auto c) {
  using U = std::make_unsigned_t<decltype(a)>;
  return static_cast<decltype(a)>(static_cast<U>(kMultiplyHigh(a, b)) + static_cast<U>(c));
};
constexpr auto kMultiplyAddWide = [](auto a, auto b, auto c) {
  using U = std::make_unsigned_t<decltype(c)>;
  return static_cast<decltype(c)>(static_cast<U>(kMultiplyWide(a, b)) + static_cast<U>(c));
};

template <class T>
T saturate(int64_t value) {
  return static_cast<T>(
      std::clamp<int64_t>(value, std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
}
constexpr auto kAddSaturating = [](int32_t a, int32_t b) {
  return saturate<int32_t>(int64_t{a} + b);
};
constexpr auto kSubtractSaturating = [](int32_t a, int32_t b) {
  return saturate<int32_t>(int64_t{a} - b);
};
constexpr auto kMultiplyAddHighSaturating = [](int32_t a, int32_t b, int32_t c) {
  return saturate<int32_t>(int64_t{kMultiplyHigh(a, b)} + c);
};

// Division by zero gives all ones, as the GPU does; the least integer divided by -1 is itself.
constexpr auto kDivide = [](auto a, auto b) {
  using T = decltype(a);
  if (b == 0) return static_cast<T>(~T{0});
  if constexpr (std::is_signed_v<T>) {
    if (b == -1) return static_cast<T>(0 - static_cast<std::make_unsigned_t<T>>(a));
  }
  return static_cast<T>(a / b);
};
constexpr auto kRemainder = [](auto a, auto b) {
  using T = decltype(a);
  if (b == 0) return a;
  if constexpr (std::is_signed_v<T>) {
    if (b == -1) return T{0};
  }
  return static_cast<T>(a % b);
};

constexpr auto kAbsolute = [](auto a) {
  using U = std::make_unsigned_t<decltype(a)>;
  return static_cast<decltype(a)>(a < 0 ? U{0} - static_cast<U>(a) : static_cast<U>(a));
};
constexpr auto kMinimum = [](auto a, auto b) { return a < b ? a : b; };
constexpr auto kMaximum = [](auto a, auto b) { return a > b ? a : b; };
constexpr auto kMinimumRelu = [](auto a, auto b) {
  return std::max<decltype(a)>(std::min(a, b), 0);
};
constexpr auto kMaximumRelu = [](auto a, auto b) {
  return std::max<decltype(a)>(std::max(a, b), 0);
};
constexpr auto kSumOfAbsoluteDifferences = [](auto a, auto b, auto c) {
  using U = std::make_unsigned_t<decltype(a)>;
  const U difference =
      a > b ? static_cast<U>(a) - static_cast<U>(b) : static_cast<U>(b) - static_cast<U>(a);
  return static_cast<decltype(c)>(static_cast<U>(c) + difference);
};

// Two 16-bit values in 32 bits, each treated by itself.
template <auto kFunction, class T>
constexpr auto kPacked = [](uint32_t a, uint32_t b) {
  const auto half = [&](uint32_t shift) {
    const auto result = kFunction(static_cast<T>(a >> shift), static_cast<T>(b >> shift));
    return uint32_t{static_cast<uint16_t>(result)} << shift;
  };
  return half(0) | half(16);
};

constexpr auto kMultiply24Low = [](auto a, auto b) {
  using T = decltype(a);
  const auto low24 = [](T value) {
    return static_cast<Wide<T>>(static_cast<T>(static_cast<uint32_t>(value) << 8U)) >> 8;
  };
  return static_cast<T>(low24(a) * low24(b));
};
constexpr auto kMultiply24High = [](auto a, auto b) {
  using T = decltype(a);
  const auto low24 = [](T value) {
    return static_cast<Wide<T>>(static_cast<T>(static_cast<uint32_t>(value) << 8U)) >> 8;
  };
  return static_cast<T>((low24(a) * low24(b)) >> 16);
};

constexpr auto kMultiplyAdd24Low = [](auto a, auto b, auto c) {
  return kAdd(kMultiply24Low(a, b), c);
};
constexpr auto kMultiplyAdd24High = [](auto a, auto b, auto c) {
  return kAdd(kMultiply24High(a, b), c);
};

constexpr auto kMultiplyAdd24HighSaturating = [](int32_t a, int32_t b, int32_t c) {
  return saturate<int32_t>(int64_t{kMultiply24High(a, b)} + c);
};

constexpr auto kIntegerForms = std::to_array<Form>({
    {"add (.u16|.s16)", kBinary<kAdd, uint16_t>},
    {"add (.u32|.s32)", kBinary<kAdd, uint32_t>},
    {"add (.u64|.s64)", kBinary<kAdd, uint64_t>},
    {"add .sat .s32", kBinary<kAddSaturating, int32_t>},
    {"add (.u16x2|.s16x2)", kBinary<kPacked<kAdd, uint16_t>, uint32_t>},
    {"sub (.u16|.s16)", kBinary<kSubtract, uint16_t>},
    {"sub (.u32|.s32)", kBinary<kSubtract, uint32_t>},
    {"sub (.u64|.s64)", kBinary<kSubtract, uint64_t>},
    {"sub .sat .s32", kBinary<kSubtractSaturating, int32_t>},
    {"mul .lo (.u16|.s16)", kBinary<kMultiplyLow, uint16_t>},
    {"mul .lo (.u32|.s32)", kBinary<kMultiplyLow, uint32_t>},
    {"mul .lo (.u64|.s64)", kBinary<kMultiplyLow64, uint64_t>},
    {"mul .hi .u16", kBinary<kMultiplyHigh, uint16_t>},
    {"mul .hi .s16", kBinary<kMultiplyHigh, int16_t>},
    {"mul .hi .u32", kBinary<kMultiplyHigh, uint32_t>},
    {"mul .hi .s32", kBinary<kMultiplyHigh, int32_t>},
    {"mul .hi .u64", kBinary<kMultiplyHigh, uint64_t>},
    {"mul .hi .s64", kBinary<kMultiplyHigh, int64_t>},
    {"mul .wide .u16", &build<kMultiplyWide, uint32_t, uint16_t, uint16_t>},
    {"mul .wide .s16", &build<kMultiplyWide, int32_t, int16_t, int16_t>},
    {"mul .wide .u32", &build<kMultiplyWide, uint64_t, uint32_t, uint32_t>},
    {"mul .wide .s32", &build<kMultiplyWide, int64_t, int32_t, int32_t>},
    {"mad .lo (.u16|.s16)", kTernary<kMultiplyAddLow, uint16_t>},
    {"mad .lo (.u32|.s32)", kTernary<kMultiplyAddLow, uint32_t>},
    {"mad .lo (.u64|.s64)", kTernary<kMultiplyAddLow64, uint64_t>},
    {"mad .hi .u16", kTernary<kMultiplyAddHigh, uint16_t>},
    {"mad .hi .s16", kTernary<kMultiplyAddHigh, int16_t>},
    {"mad .hi .u32", kTernary<kMultiplyAddHigh, uint32_t>},
    {"mad .hi .s32", kTernary<kMultiplyAddHigh, int32_t>},
    {"mad .hi .u64", kTernary<kMultiplyAddHigh, uint64_t>},
    {"mad .hi .s64", kTernary<kMultiplyAddHigh, int64_t>},
    {"mad .hi .sat .s32", kTernary<kMultiplyAddHighSaturating, int32_t>},
    {"mad .wide .u16", &build<kMultiplyAddWide, uint32_t, uint16_t, uint16_t, uint32_t>},
    {"mad .wide .s16", &build<kMultiplyAddWide, int32_t, int16_t, int16_t, int32_t>},
    {"mad .wide .u32", &build<kMultiplyAddWide, uint64_t, uint32_t, uint32_t, uint64_t>},
    {"mad .wide .s32", &build<kMultiplyAddWide, int64_t, int32_t, int32_t, int64_t>},
    {"mul24 .lo .u32", kBinary<kMultiply24Low, uint32_t>},
    {"mul24 .lo .s32", kBinary<kMultiply24Low, int32_t>},
    {"mul24 .hi .u32", kBinary<kMultiply24High, uint32_t>},
    {"mul24 .hi .s32", kBinary<kMultiply24High, int32_t>},
    {"mad24 .lo .u32", kTernary<kMultiplyAdd24Low, uint32_t>},
    {"mad24 .lo .s32", kTernary<kMultiplyAdd24Low, int32_t>},
    {"mad24 .hi .u32", kTernary<kMultiplyAdd24High, uint32_t>},
    {"mad24 .hi .s32", kTernary<kMultiplyAdd24High, int32_t>},
    {"mad24 .hi .sat .s32", kTernary<kMultiplyAdd24HighSaturating, int32_t>},
    {"div .u16", &build_lane_by_lane<kDivide, uint16_t, uint16_t, uint16_t>},
    {"div .s16", &build_lane_by_lane<kDivide, int16_t, int16_t, int16_t>},
    {"div .u32", &build_lane_by_lane<kDivide, uint32_t, uint32_t, uint32_t>},
    {"div .s32", &build_lane_by_lane<kDivide, int32_t, int32_t, int32_t>},
    {"div .u64", &build_lane_by_lane<kDivide, uint64_t, uint64_t, uint64_t>},
    {"div .s64", &build_lane_by_lane<kDivide, int64_t, int64_t, int64_t>},
    {"rem .u16", &build_lane_by_lane<kRemainder, uint16_t, uint16_t, uint16_t>},
    {"rem .s16", &build_lane_by_lane<kRemainder, int16_t, int16_t, int16_t>},
    {"rem .u32", &build_lane_by_lane<kRemainder, uint32_t, uint32_t, uint32_t>},
    {"rem .s32", &build_lane_by_lane<kRemainder, int32_t, int32_t, int32_t>},
    {"rem .u64", &build_lane_by_lane<kRemainder, uint64_t, uint64_t, uint64_t>},
    {"rem .s64", &build_lane_by_lane<kRemainder, int64_t, int64_t, int64_t>},
    {"abs .s16", kUnary<kAbsolute, int16_t>},
    {"abs .s32", kUnary<kAbsolute, int32_t>},
    {"abs .s64", kUnary<kAbsolute, int64_t>},
    {"neg .s16", kUnary<kNegate, uint16_t>},
    {"neg .s32", kUnary<kNegate, uint32_t>},
    {"neg .s64", kUnary<kNegate, uint64_t>},
    {"min .u16", kBinary<kMinimum, uint16_t>},
    {"min .s16", kBinary<kMinimum, int16_t>},
    {"min .u32", kBinary<kMinimum, uint32_t>},
    {"min .s32", kBinary<kMinimum, int32_t>},
    {"min .u64", kBinary<kMinimum, uint64_t>},
    {"min .s64", kBinary<kMinimum, int64_t>},
    {"min .relu .s32", kBinary<kMinimumRelu, int32_t>},
    {"min .u16x2", kBinary<kPacked<kMinimum, uint16_t>, uint32_t>},
    {"min .s16x2", kBinary<kPacked<kMinimum, int16_t>, uint32_t>},
    {"min .relu .s16x2", kBinary<kPacked<kMinimumRelu, int16_t>, uint32_t>},
    {"max .u16", kBinary<kMaximum, uint16_t>},
    {"max .s16", kBinary<kMaximum, int16_t>},
    {"max .u32", kBinary<kMaximum, uint32_t>},
    {"max .s32", kBinary<kMaximum, int32_t>},
    {"max .u64", kBinary<kMaximum, uint64_t>},
    {"max .s64", kBinary<kMaximum, int64_t>},
    {"max .relu .s32", kBinary<kMaximumRelu, int32_t>},
    {"max .u16x2", kBinary<kPacked<kMaximum, uint16_t>, uint32_t>},
    {"max .s16x2", kBinary<kPacked<kMaximum, int16_t>, uint32_t>},
    {"max .relu .s16x2", kBinary<kPacked<kMaximumRelu, int16_t>, uint32_t>},
    {"sad .u16", kTernary<kSumOfAbsoluteDifferences, uint16_t>},
    {"sad .s16", kTernary<kSumOfAbsoluteDifferences, int16_t>},
    {"sad .u32", kTernary<kSumOfAbsoluteDifferences, uint32_t>},
    {"sad .s32", kTernary<kSumOfAbsoluteDifferences, int32_t>},
    {"sad .u64", kTernary<kSumOfAbsoluteDifferences, uint64_t>},
    {"sad .s64", kTernary<kSumOfAbsoluteDifferences, int64_t>},
});

}  // namespace

Family integer_family() { return {"Integer arithmetic", "integer.cc", kIntegerForms, true}; }

}  // namespace slipstream::emulator
