// Integer arithmetic with the carry flag: operands d, a, b (, c), carry out, carry in.
#include <array>
#include <type_traits>

#include "emulator/instructions/families.h"
#include "emulator/instructions/integer_forms.h"
#include "emulator/instructions/lanes.h"

namespace slipstream::emulator {
namespace {

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

constexpr auto kCarryForms = std::to_array<Form>({
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

Family carry_family() {
  return {"Integer arithmetic with carry", "integer_carry.cc", kCarryForms, true};
}

}  // namespace slipstream::emulator
