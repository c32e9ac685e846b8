// Logic, shifts and byte permutation.
#include <algorithm>
#include <array>

#include "emulator/instructions/families.h"
#include "emulator/instructions/lanes.h"

namespace slipstream::emulator {
namespace {

constexpr auto kAnd = [](auto a, auto b) { return static_cast<decltype(a)>(a & b); };
constexpr auto kOr = [](auto a, auto b) { return static_cast<decltype(a)>(a | b); };
constexpr auto kXor = [](auto a, auto b) { return static_cast<decltype(a)>(a ^ b); };
constexpr auto kNot = [](auto a) { return static_cast<decltype(a)>(~a); };
constexpr auto kLogicalNot = [](auto a) { return static_cast<decltype(a)>(a == 0 ? 1 : 0); };

template <auto kFunction, class T>
constexpr auto kUnary = &build<kFunction, T, T>;
template <auto kFunction, class T>
constexpr auto kBinary = &build<kFunction, T, T, T>;

// Shifts by the width or more give what shifting one by one would.
template <class T>
T shift_left(T a, uint32_t by) {
  return by >= 8 * sizeof(T) ? T{0} : static_cast<T>(a << by);
}
template <class T>
T shift_right(T a, uint32_t by) {
  if constexpr (std::is_signed_v<T>) {
    return static_cast<T>(a >> std::min<uint32_t>(by, 8 * sizeof(T) - 1));
  } else {
    return by >= 8 * sizeof(T) ? T{0} : static_cast<T>(a >> by);
  }
}
template <auto kFunction, class T>
constexpr auto kShift = &build<kFunction, T, T, uint32_t>;

// The pair {high, low} shifted; left gives the high half, right the low one.
template <bool kLeft, bool kClamp>
uint32_t funnel_shift(uint32_t low, uint32_t high, uint32_t by) {
  const uint32_t amount = kClamp ? std::min(by, 32U) : by & 31U;
  const uint64_t pair = (uint64_t{high} << 32U) | low;
  return kLeft ? static_cast<uint32_t>((pair << amount) >> 32U)
               : static_cast<uint32_t>(pair >> amount);
}

uint32_t look_up(uint32_t a, uint32_t b, uint32_t c, uint32_t table) {
  uint32_t result = 0;
  for (uint32_t entry = 0; entry < 8; ++entry) {
    const uint32_t chosen =
        ((entry & 4U) != 0 ? a : ~a) & ((entry & 2U) != 0 ? b : ~b) & ((entry & 1U) != 0 ? c : ~c);
    result |= ((table >> entry) & 1U) != 0 ? chosen : 0;
  }
  return result;
}

uint32_t byte_of(uint32_t a, uint32_t b, uint32_t index) {
  const uint64_t pair = (uint64_t{b} << 32U) | a;
  return static_cast<uint32_t>(pair >> (8 * (index & 7U))) & 0xffU;
}

// Each nibble of the selector picks a byte of {b, a}; its top bit asks for that byte's sign.
uint32_t permute(uint32_t a, uint32_t b, uint32_t selector) {
  uint32_t result = 0;
  for (uint32_t i = 0; i < 4; ++i) {
    const uint32_t nibble = selector >> (4 * i);
    uint32_t byte = byte_of(a, b, nibble);
    if ((nibble & 8U) != 0) byte = (byte & 0x80U) != 0 ? 0xffU : 0;
    result |= byte << (8 * i);
  }
  return result;
}

enum class PermuteMode : uint8_t {
  kForward4,
  kBackward4,
  kReplicate8,
  kEdgeLeft,
  kEdgeRight,
  kReplicate16
};

template <PermuteMode kMode>
uint32_t permute_by_mode(uint32_t a, uint32_t b, uint32_t selector) {
  const uint32_t s = selector & 3U;
  uint32_t result = 0;
  for (uint32_t i = 0; i < 4; ++i) {
    uint32_t index = 0;
    switch (kMode) {
      case PermuteMode::kForward4:
        index = s + i;
        break;
      case PermuteMode::kBackward4:
        index = (s + 8 - i) & 7U;
        break;
      case PermuteMode::kReplicate8:
        index = s;
        break;
      case PermuteMode::kEdgeLeft:
        index = std::max(i, s);
        break;
      case PermuteMode::kEdgeRight:
        index = std::min(i, s);
        break;
      case PermuteMode::kReplicate16:
        index = 2 * (s & 1U) + (i & 1U);
        break;
    }
    result |= byte_of(a, b, index) << (8 * i);
  }
  return result;
}

constexpr auto kAndMask = [](uint32_t a, uint32_t b) { return a & b; };
constexpr auto kOrMask = [](uint32_t a, uint32_t b) { return a | b; };
constexpr auto kXorMask = [](uint32_t a, uint32_t b) { return a ^ b; };

template <auto kFunction>
Step combine_predicates(const Operation& operation, Warp& warp, uint32_t executing) {
  assign(predicate(operation, warp, 0),
         kFunction(predicate(operation, warp, 1), predicate(operation, warp, 2)), executing);
  return Step::kNext;
}
template <auto kFunction, Passing kPassing>
void build_predicates(Builder& builder) {
  read_operands<Predicate, Predicate, Predicate>(builder);
  builder.set_handler(&combine_predicates<kFunction>);
  builder.set_passing(kPassing);
}

Step not_predicate(const Operation& operation, Warp& warp, uint32_t executing) {
  assign(predicate(operation, warp, 0), ~predicate(operation, warp, 1), executing);
  return Step::kNext;
}
void build_not_predicate(Builder& builder) {
  read_operands<Predicate, Predicate>(builder);
  builder.set_handler(&not_predicate);
}

constexpr auto kLogicForms = std::to_array<Form>({
    {"and .pred", &build_predicates<kAndMask, Passing::kAndOfPredicates>},
    {"and .b16", kBinary<kAnd, uint16_t>},
    {"and .b32", kBinary<kAnd, uint32_t>},
    {"and .b64", kBinary<kAnd, uint64_t>},
    {"or .pred", &build_predicates<kOrMask, Passing::kOrOfPredicates>},
    {"or .b16", kBinary<kOr, uint16_t>},
    {"or .b32", kBinary<kOr, uint32_t>},
    {"or .b64", kBinary<kOr, uint64_t>},
    {"xor .pred", &build_predicates<kXorMask, Passing::kLaneByLane>},
    {"xor .b16", kBinary<kXor, uint16_t>},
    {"xor .b32", kBinary<kXor, uint32_t>},
    {"xor .b64", kBinary<kXor, uint64_t>},
    {"not .pred", &build_not_predicate},
    {"not .b16", kUnary<kNot, uint16_t>},
    {"not .b32", kUnary<kNot, uint32_t>},
    {"not .b64", kUnary<kNot, uint64_t>},
    {"cnot .b16", kUnary<kLogicalNot, uint16_t>},
    {"cnot .b32", kUnary<kLogicalNot, uint32_t>},
    {"cnot .b64", kUnary<kLogicalNot, uint64_t>},
    {"lop3 .b32", &build<look_up, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t>},
    {"shl .b16", kShift<shift_left<uint16_t>, uint16_t>},
    {"shl .b32", kShift<shift_left<uint32_t>, uint32_t>},
    {"shl .b64", kShift<shift_left<uint64_t>, uint64_t>},
    {"shr (.b16|.u16)", kShift<shift_right<uint16_t>, uint16_t>},
    {"shr (.b32|.u32)", kShift<shift_right<uint32_t>, uint32_t>},
    {"shr (.b64|.u64)", kShift<shift_right<uint64_t>, uint64_t>},
    {"shr .s16", kShift<shift_right<int16_t>, int16_t>},
    {"shr .s32", kShift<shift_right<int32_t>, int32_t>},
    {"shr .s64", kShift<shift_right<int64_t>, int64_t>},
    {"shf .l .clamp .b32",
     &build<funnel_shift<true, true>, uint32_t, uint32_t, uint32_t, uint32_t>},
    {"shf .l .wrap .b32",
     &build<funnel_shift<true, false>, uint32_t, uint32_t, uint32_t, uint32_t>},
    {"shf .r .clamp .b32",
     &build<funnel_shift<false, true>, uint32_t, uint32_t, uint32_t, uint32_t>},
    {"shf .r .wrap .b32",
     &build<funnel_shift<false, false>, uint32_t, uint32_t, uint32_t, uint32_t>},
    {"prmt .b32", &build<permute, uint32_t, uint32_t, uint32_t, uint32_t>},
    {"prmt .b32 .f4e",
     &build<permute_by_mode<PermuteMode::kForward4>, uint32_t, uint32_t, uint32_t, uint32_t>},
    {"prmt .b32 .b4e",
     &build<permute_by_mode<PermuteMode::kBackward4>, uint32_t, uint32_t, uint32_t, uint32_t>},
    {"prmt .b32 .rc8",
     &build<permute_by_mode<PermuteMode::kReplicate8>, uint32_t, uint32_t, uint32_t, uint32_t>},
    {"prmt .b32 .ecl",
     &build<permute_by_mode<PermuteMode::kEdgeLeft>, uint32_t, uint32_t, uint32_t, uint32_t>},
    {"prmt .b32 .ecr",
     &build<permute_by_mode<PermuteMode::kEdgeRight>, uint32_t, uint32_t, uint32_t, uint32_t>},
    {"prmt .b32 .rc16",
     &build<permute_by_mode<PermuteMode::kReplicate16>, uint32_t, uint32_t, uint32_t, uint32_t>},
});

}  // namespace

Family logic_family() { return {"Logic, shifts and permutation", "logic.cc", kLogicForms, true}; }

}  // namespace slipstream::emulator
