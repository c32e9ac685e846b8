// Integer arithmetic.
#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <limits>
#include <type_traits>

#include "emulator/instructions/families.h"
#include "emulator/instructions/lanes.h"

namespace slipstream::emulator {
namespace {

template <auto kFunction, class T>
constexpr auto kUnary = &build<kFunction, T, T>;
template <auto kFunction, class T>
constexpr auto kBinary = &build<kFunction, T, T, T>;
template <auto kFunction, class T>
constexpr auto kTernary = &build<kFunction, T, T, T, T>;

template <class T>
using Wide = std::conditional_t<
    sizeof(T) == 2, std::conditional_t<std::is_signed_v<T>, int32_t, uint32_t>,
    std::conditional_t<sizeof(T) == 4, std::conditional_t<std::is_signed_v<T>, int64_t, uint64_t>,
                       std::conditional_t<std::is_signed_v<T>, __int128, unsigned __int128>>>;

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
constexpr auto kMultiplyHigh = [](auto a, auto b) {
  using T = decltype(a);
  return static_cast<T>((static_cast<Wide<T>>(a) * static_cast<Wide<T>>(b)) >> (8 * sizeof(T)));
};
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

// The position of the |offset|-th set bit from `base` on, upwards or downwards; ~0 if there is
// none.
uint32_t find_nth_set(uint32_t mask, uint32_t base, int32_t offset) {
  const int32_t step = offset < 0 ? -1 : 1;
  int64_t missing = offset == 0 ? 1 : std::abs(int64_t{offset});
  for (int64_t bit = base; bit >= 0 && bit < 32; bit += step) {
    missing -= mask >> bit & 1U;
    if (missing == 0) return static_cast<uint32_t>(bit);
    if (offset == 0) break;
  }
  return ~0U;
}

constexpr auto kMultiplyAdd24HighSaturating = [](int32_t a, int32_t b, int32_t c) {
  return saturate<int32_t>(int64_t{kMultiply24High(a, b)} + c);
};

constexpr auto kPopulation = [](auto a) { return static_cast<uint32_t>(std::popcount(a)); };
constexpr auto kLeadingZeros = [](auto a) { return static_cast<uint32_t>(std::countl_zero(a)); };

// The highest bit that is not a sign bit; all ones if there is none.
template <class T>
uint32_t find_bit(T a) {
  using U = std::make_unsigned_t<T>;
  const U bits = std::is_signed_v<T> && a < 0 ? static_cast<U>(~a) : static_cast<U>(a);
  return bits == 0 ? kAllLanes
                   : static_cast<uint32_t>(8 * sizeof(T) - 1) -
                         static_cast<uint32_t>(std::countl_zero(bits));
}
// The same as the left shift that brings it to the top.
template <class T>
uint32_t find_shift(T a) {
  const uint32_t bit = find_bit(a);
  return bit == kAllLanes ? bit : static_cast<uint32_t>(8 * sizeof(T) - 1) - bit;
}

template <class T>
T reverse_bits(T a) {
  T result = 0;
  for (size_t bit = 0; bit < 8 * sizeof(T); ++bit) {
    result = static_cast<T>((result << 1) | ((a >> bit) & 1));
  }
  return result;
}

// PTX looks at the low 8 bits of position and length. So does the GPU's instruction for 32 bits.
// For 64 bits it has none, and the sequence that ptxas emits instead looks at all bits.
template <class T>
uint32_t field_operand(uint32_t value) {
  return sizeof(T) == 4 ? value & 0xffU : value;
}

// Bits [position, position + length) of `a`; signed: extended by the top bit of the field, or by
// the top bit of `a` where the field reaches beyond it.
template <class T>
T extract_bits(T a, uint32_t position, uint32_t length) {
  using U = std::make_unsigned_t<T>;
  constexpr uint32_t kBits = 8 * sizeof(T);
  position = field_operand<T>(position);
  length = field_operand<T>(length);
  if (length == 0) return 0;
  const U shifted = position >= kBits ? U{0} : static_cast<U>(static_cast<U>(a) >> position);
  const U mask = length >= kBits ? ~U{0} : static_cast<U>((U{1} << length) - 1);
  const auto top =
      static_cast<uint32_t>(std::min(uint64_t{position} + length - 1, uint64_t{kBits - 1}));
  const bool negative = std::is_signed_v<T> && ((static_cast<U>(a) >> top) & 1U) != 0;
  U field = shifted & mask;
  if (negative) {
    const uint32_t held = top >= position ? top - position + 1 : 0;
    field |= held >= kBits ? U{0} : static_cast<U>(~U{0} << held);
  }
  return static_cast<T>(field);
}

template <class T>
T insert_bits(T field, T target, uint32_t position, uint32_t length) {
  constexpr uint32_t kBits = 8 * sizeof(T);
  position = field_operand<T>(position);
  length = field_operand<T>(length);
  if (position >= kBits || length == 0) return target;
  const T ones = length >= kBits ? ~T{0} : static_cast<T>((T{1} << length) - 1);
  const T mask = static_cast<T>(ones << position);
  return static_cast<T>((target & ~mask) | ((field << position) & mask));
}

template <bool kClamp>
uint32_t bit_mask(uint32_t position, uint32_t width) {
  if constexpr (!kClamp) {
    position &= 31U;
    width &= 31U;
  }
  if (position >= 32 || width == 0) return 0;
  const uint32_t ones = width >= 32 ? kAllLanes : (1U << width) - 1;
  return ones << position;
}

template <class T, bool kClamp>
T extend_from(T a, uint32_t width) {
  const uint32_t bits = kClamp ? std::min(width, 32U) : width & 31U;
  if (bits == 0) return 0;
  const auto shifted = static_cast<T>(static_cast<uint32_t>(a) << (32 - bits));
  return static_cast<T>(shifted >> (32 - bits));
}

// Four (or two) products of bytes, added to c.
template <class A, class B>
uint32_t dot_four(uint32_t a, uint32_t b, uint32_t c) {
  for (uint32_t shift = 0; shift < 32; shift += 8) {
    c += static_cast<uint32_t>(int32_t{static_cast<A>(a >> shift)} *
                               int32_t{static_cast<B>(b >> shift)});
  }
  return c;
}
template <class A, class B, uint32_t kFirst>
uint32_t dot_two(uint32_t a, uint32_t b, uint32_t c) {
  for (uint32_t i = 0; i < 2; ++i) {
    c += static_cast<uint32_t>(int32_t{static_cast<A>(a >> (16 * i))} *
                               int32_t{static_cast<B>(b >> (8 * (i + kFirst)))});
  }
  return c;
}

uint32_t absolute_differences_of_bytes(uint32_t a, uint32_t b, uint32_t /*c*/) {
  uint32_t result = 0;
  for (uint32_t shift = 0; shift < 32; shift += 8) {
    const auto x = static_cast<uint8_t>(a >> shift);
    const auto y = static_cast<uint8_t>(b >> shift);
    result |= static_cast<uint32_t>(x > y ? x - y : y - x) << shift;
  }
  return result;
}

uint32_t sum_of_absolute_differences(uint32_t a, uint32_t b, uint32_t c) {
  uint32_t sum = c;
  const uint32_t differences = absolute_differences_of_bytes(a, b, c);
  for (uint32_t shift = 0; shift < 32; shift += 8) sum += (differences >> shift) & 0xffU;
  return sum;
}

// --- Arithmetic with the carry flag: operands d, a, b (, c), carry out, carry in.

template <class T, bool kSubtracts>
Step add_with_carry(const Operation& operation, Warp& warp, uint32_t executing) {
  const bool reads_carry = (operation.immediate & 1) != 0;
  const bool writes_carry = (operation.immediate & 2) != 0;
  T* const result = operand<T>(operation, warp, 0);
  const T* const a = operand<T>(operation, warp, 1);
  const T* const b = operand<T>(operation, warp, 2);
  uint32_t& carry = predicate(operation, warp, 3);
  uint32_t carry_out = 0;
  for_each_lane(executing, [&](uint32_t lane) {
    const T in = reads_carry && has_lane(carry, lane) ? 1 : 0;
    const auto wide = static_cast<Wide<T>>(a[lane]);
    const auto other = static_cast<Wide<T>>(b[lane]);
    const Wide<T> value = kSubtracts ? wide - other - in : wide + other + in;
    result[lane] = static_cast<T>(value);
    carry_out |= static_cast<uint32_t>((value >> (8 * sizeof(T))) & 1U) << lane;
  });
  if (writes_carry) assign(carry, carry_out, executing);
  return Step::kNext;
}

// d = (low or high half of a * b) + c + carry.
template <class T, bool kHigh, bool kSigned>
Step multiply_add_with_carry(const Operation& operation, Warp& warp, uint32_t executing) {
  const bool reads_carry = (operation.immediate & 1) != 0;
  const bool writes_carry = (operation.immediate & 2) != 0;
  T* const result = operand<T>(operation, warp, 0);
  const T* const a = operand<T>(operation, warp, 1);
  const T* const b = operand<T>(operation, warp, 2);
  const T* const c = operand<T>(operation, warp, 3);
  uint32_t& carry = predicate(operation, warp, 4);
  uint32_t carry_out = 0;
  for_each_lane(executing, [&](uint32_t lane) {
    using S = std::conditional_t<kSigned, std::make_signed_t<T>, T>;
    const auto x = static_cast<S>(a[lane]);
    const auto y = static_cast<S>(b[lane]);
    const T product =
        kHigh ? static_cast<T>(kMultiplyHigh(x, y)) : static_cast<T>(a[lane] * b[lane]);
    const Wide<T> value =
        static_cast<Wide<T>>(product) + c[lane] + (reads_carry && has_lane(carry, lane) ? 1U : 0U);
    result[lane] = static_cast<T>(value);
    carry_out |= static_cast<uint32_t>((value >> (8 * sizeof(T))) & 1U) << lane;
  });
  if (writes_carry) assign(carry, carry_out, executing);
  return Step::kNext;
}

void finish_carry(Builder& builder) {
  const bool reads = builder.instruction().opcode->head.ends_with('c');
  const bool writes = builder.has(".cc");
  builder.carry(reads, writes);
  builder.set_immediate((reads ? 1 : 0) | (writes ? 2 : 0));
}

template <class T, bool kSubtracts>
void build_carry(Builder& builder) {
  read_operands<T, T, T>(builder);
  finish_carry(builder);
  builder.set_handler(&add_with_carry<T, kSubtracts>);
}

template <class T>
void build_multiply_carry(Builder& builder) {
  read_operands<T, T, T, T>(builder);
  finish_carry(builder);
  const bool is_signed = builder.has(".s32") || builder.has(".s64");
  if (builder.has(".lo")) {
    builder.set_handler(&multiply_add_with_carry<T, false, false>);
  } else {
    builder.set_handler(is_signed ? &multiply_add_with_carry<T, true, true>
                                  : &multiply_add_with_carry<T, true, false>);
  }
}

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
    {"fns .b32", &build_lane_by_lane<find_nth_set, uint32_t, uint32_t, uint32_t, int32_t>},
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
    {"popc .b32", &build<kPopulation, uint32_t, uint32_t>},
    {"popc .b64", &build<kPopulation, uint32_t, uint64_t>},
    {"clz .b32", kUnary<kLeadingZeros, uint32_t>},
    {"clz .b64", &build<kLeadingZeros, uint32_t, uint64_t>},
    {"bfind .u32", kUnary<find_bit<uint32_t>, uint32_t>},
    {"bfind .s32", &build<find_bit<int32_t>, uint32_t, int32_t>},
    {"bfind .u64", &build<find_bit<uint64_t>, uint32_t, uint64_t>},
    {"bfind .s64", &build<find_bit<int64_t>, uint32_t, int64_t>},
    {"bfind .shiftamt .u32", kUnary<find_shift<uint32_t>, uint32_t>},
    {"bfind .shiftamt .s32", &build<find_shift<int32_t>, uint32_t, int32_t>},
    {"bfind .shiftamt .u64", &build<find_shift<uint64_t>, uint32_t, uint64_t>},
    {"bfind .shiftamt .s64", &build<find_shift<int64_t>, uint32_t, int64_t>},
    {"brev .b32", kUnary<reverse_bits<uint32_t>, uint32_t>},
    {"brev .b64", kUnary<reverse_bits<uint64_t>, uint64_t>},
    {"bfe .u32", &build<extract_bits<uint32_t>, uint32_t, uint32_t, uint32_t, uint32_t>},
    {"bfe .s32", &build<extract_bits<int32_t>, int32_t, int32_t, uint32_t, uint32_t>},
    {"bfe .u64", &build<extract_bits<uint64_t>, uint64_t, uint64_t, uint32_t, uint32_t>},
    {"bfe .s64", &build<extract_bits<int64_t>, int64_t, int64_t, uint32_t, uint32_t>},
    {"bfi .b32", &build<insert_bits<uint32_t>, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t>},
    {"bfi .b64", &build<insert_bits<uint64_t>, uint64_t, uint64_t, uint64_t, uint32_t, uint32_t>},
    {"bmsk .clamp .b32", kBinary<bit_mask<true>, uint32_t>},
    {"bmsk .wrap .b32", kBinary<bit_mask<false>, uint32_t>},
    {"szext .clamp .u32", kBinary<extend_from<uint32_t, true>, uint32_t>},
    {"szext .wrap .u32", kBinary<extend_from<uint32_t, false>, uint32_t>},
    {"szext .clamp .s32", &build<extend_from<int32_t, true>, int32_t, int32_t, uint32_t>},
    {"szext .wrap .s32", &build<extend_from<int32_t, false>, int32_t, int32_t, uint32_t>},
    {"dp4a .u32 .u32", kTernary<dot_four<uint8_t, uint8_t>, uint32_t>},
    {"dp4a .u32 .s32", kTernary<dot_four<uint8_t, int8_t>, uint32_t>},
    {"dp4a .s32 .u32", kTernary<dot_four<int8_t, uint8_t>, uint32_t>},
    {"dp4a .s32 .s32", kTernary<dot_four<int8_t, int8_t>, uint32_t>},
    {"dp2a .lo .u32 .u32", kTernary<dot_two<uint16_t, uint8_t, 0>, uint32_t>},
    {"dp2a .lo .u32 .s32", kTernary<dot_two<uint16_t, int8_t, 0>, uint32_t>},
    {"dp2a .lo .s32 .u32", kTernary<dot_two<int16_t, uint8_t, 0>, uint32_t>},
    {"dp2a .lo .s32 .s32", kTernary<dot_two<int16_t, int8_t, 0>, uint32_t>},
    {"dp2a .hi .u32 .u32", kTernary<dot_two<uint16_t, uint8_t, 2>, uint32_t>},
    {"dp2a .hi .u32 .s32", kTernary<dot_two<uint16_t, int8_t, 2>, uint32_t>},
    {"dp2a .hi .s32 .u32", kTernary<dot_two<int16_t, uint8_t, 2>, uint32_t>},
    {"dp2a .hi .s32 .s32", kTernary<dot_two<int16_t, int8_t, 2>, uint32_t>},
    {"vabsdiff4 .u32 .u32 .u32", kTernary<absolute_differences_of_bytes, uint32_t>,
     "all four bytes, no accumulation"},
    {"vabsdiff4 .u32 .u32 .u32 .add", kTernary<sum_of_absolute_differences, uint32_t>,
     "all four bytes"},
    {"add .cc (.u32|.s32)", &build_carry<uint32_t, false>},
    {"add .cc (.u64|.s64)", &build_carry<uint64_t, false>},
    {"addc [.cc] (.u32|.s32)", &build_carry<uint32_t, false>},
    {"addc [.cc] (.u64|.s64)", &build_carry<uint64_t, false>},
    {"sub .cc (.u32|.s32)", &build_carry<uint32_t, true>},
    {"sub .cc (.u64|.s64)", &build_carry<uint64_t, true>},
    {"subc [.cc] (.u32|.s32)", &build_carry<uint32_t, true>},
    {"subc [.cc] (.u64|.s64)", &build_carry<uint64_t, true>},
    {"mad (.lo|.hi) .cc (.u32|.s32)", &build_multiply_carry<uint32_t>},
    {"mad (.lo|.hi) .cc (.u64|.s64)", &build_multiply_carry<uint64_t>},
    {"madc (.lo|.hi) [.cc] (.u32|.s32)", &build_multiply_carry<uint32_t>},
    {"madc (.lo|.hi) [.cc] (.u64|.s64)", &build_multiply_carry<uint64_t>},
});

}  // namespace

Family integer_family() { return {"Integer arithmetic", "integer.cc", kIntegerForms, true}; }

}  // namespace slipstream::emulator
