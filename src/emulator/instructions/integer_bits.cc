// Bits of integers: counted, found, moved and masked.
#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <type_traits>

#include "emulator/instructions/families.h"
#include "emulator/instructions/integer_forms.h"
#include "emulator/instructions/lanes.h"

namespace slipstream::emulator {
namespace {

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

constexpr auto kBitForms = std::to_array<Form>({
    {"fns .b32", &build_lane_by_lane<find_nth_set, uint32_t, uint32_t, uint32_t, int32_t>},
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
});

}  // namespace

Family bit_family() { return {"Bits of integers", "integer_bits.cc", kBitForms, true}; }

}  // namespace slipstream::emulator
