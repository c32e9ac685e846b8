// set: the result of a comparison as a number in a register.
#include <array>
#include <string_view>

#include "emulator/instructions/comparison.h"
#include "emulator/instructions/families.h"
#include "emulator/instructions/lanes.h"

namespace slipstream::emulator {
namespace {

enum class SetResult : uint8_t {
  kMask32,
  kFloat32,
  kMask16,
  kHalf,
  kBfloat,
  kMaskPair,
  kHalfPair,
  kBfloatPair
};

uint32_t true_value(SetResult kind) {
  switch (kind) {
    case SetResult::kFloat32:
      return 0x3f800000U;
    case SetResult::kHalf:
      return 0x3c00U;
    case SetResult::kBfloat:
      return 0x3f80U;
    case SetResult::kHalfPair:
      return 0x3c003c00U;
    case SetResult::kBfloatPair:
      return 0x3f803f80U;
    default:
      return kAllLanes;
  }
}

bool is_16_bit(SetResult kind) {
  return kind == SetResult::kMask16 || kind == SetResult::kHalf || kind == SetResult::kBfloat;
}

SetResult set_result_of(const Builder& builder, bool pairs) {
  const std::string_view type = builder.slot(3);
  if (type == ".f32") {
    return SetResult::kFloat32;
  }
  if (type == ".f16") {
    return SetResult::kHalf;
  }
  if (type == ".bf16") {
    return SetResult::kBfloat;
  }
  if (type == ".f16x2") {
    return SetResult::kHalfPair;
  }
  if (type == ".bf16x2") {
    return SetResult::kBfloatPair;
  }
  if (type == ".u16" || type == ".s16") {
    return SetResult::kMask16;
  }
  return pairs ? SetResult::kMaskPair : SetResult::kMask32;
}

// immediate: Connective, and SetResult above it. Operands: d, a, b, c.
void store_results(const Operation& operation, Warp& warp, uint32_t executing, uint32_t low,
                   uint32_t high) {
  const auto kind = static_cast<SetResult>(operation.immediate >> 8);
  const auto how = static_cast<Connective>(operation.immediate & 0xff);
  const uint32_t with = predicate(operation, warp, 3);
  const uint32_t low_holds = combine(how, low, with);
  const uint32_t high_holds = combine(how, high, with);
  for_each_lane(executing, [&](uint32_t lane) {
    const uint32_t value = (has_lane(low_holds, lane) ? true_value(kind) & 0xffffU : 0) |
                           (has_lane(high_holds, lane) ? true_value(kind) & 0xffff0000U : 0);
    if (is_16_bit(kind)) {
      operand<uint16_t>(operation, warp, 0)[lane] = static_cast<uint16_t>(value);
    } else {
      operand<uint32_t>(operation, warp, 0)[lane] = value;
    }
  });
}

template <class T, Compare kCompare, bool kFlush>
Step set_value(const Operation& operation, Warp& warp, uint32_t executing) {
  const uint32_t mask = compare_lanes<kCompare, kFlush, T>(operand<T>(operation, warp, 1),
                                                           operand<T>(operation, warp, 2));
  store_results(operation, warp, executing, mask, mask);
  return Step::kNext;
}
template <class T, Compare kCompare, bool kFlush>
Step set_pair_value(const Operation& operation, Warp& warp, uint32_t executing) {
  const auto* const a = operand<uint32_t>(operation, warp, 1);
  const auto* const b = operand<uint32_t>(operation, warp, 2);
  using Lanes = PairComparison<T, kCompare, kFlush>;
  store_results(operation, warp, executing, Lanes::low(a, b), Lanes::high(a, b));
  return Step::kNext;
}

template <class T, bool kPairs>
void build_set(Builder& builder) {
  builder.expect_operands(3, 4);
  const SetResult kind = set_result_of(builder, kPairs);
  const ptx::Type source = kPairs ? ptx::Type::kB32 : kPtxType<T>;
  builder.write(0, is_16_bit(kind) ? ptx::Type::kB16 : ptx::Type::kB32);
  builder.read(1, source);
  builder.read(2, source);
  builder.read_optional_predicate(3);
  builder.set_immediate(static_cast<int64_t>(combine_of(builder)) |
                        (static_cast<int64_t>(kind) << 8));
  with_comparison<T>(builder.slot(0), [&]<Compare kCompare>() {
    if constexpr (kPairs) {
      builder.set_handler(builder.has(".ftz") ? &set_pair_value<T, kCompare, true>
                                              : &set_pair_value<T, kCompare, false>);
    } else if constexpr (kIsFloating<T>) {
      builder.set_handler(builder.has(".ftz") ? &set_value<T, kCompare, true>
                                              : &set_value<T, kCompare, false>);
    } else {
      builder.set_handler(&set_value<T, kCompare, false>);
    }
  });
}

constexpr auto kSetForms = std::to_array<Form>({
    {"set (.eq|.ne|.lt|.le|.gt|.ge|.lo|.ls|.hi|.hs) [.and|.or|.xor] [.ftz] (.u32|.s32|.f32) "
     "(.b16|.u16)",
     &build_set<uint16_t, false>},
    {"set (.eq|.ne|.lt|.le|.gt|.ge) [.and|.or|.xor] [.ftz] (.u32|.s32|.f32) .s16",
     &build_set<int16_t, false>},
    {"set (.eq|.ne|.lt|.le|.gt|.ge|.lo|.ls|.hi|.hs) [.and|.or|.xor] [.ftz] (.u32|.s32|.f32) "
     "(.b32|.u32)",
     &build_set<uint32_t, false>},
    {"set (.eq|.ne|.lt|.le|.gt|.ge) [.and|.or|.xor] [.ftz] (.u32|.s32|.f32) .s32",
     &build_set<int32_t, false>},
    {"set (.eq|.ne|.lt|.le|.gt|.ge|.lo|.ls|.hi|.hs) [.and|.or|.xor] [.ftz] (.u32|.s32|.f32) "
     "(.b64|.u64)",
     &build_set<uint64_t, false>},
    {"set (.eq|.ne|.lt|.le|.gt|.ge) [.and|.or|.xor] [.ftz] (.u32|.s32|.f32) .s64",
     &build_set<int64_t, false>},
    {"set (.eq|.ne|.lt|.le|.gt|.ge|.equ|.neu|.ltu|.leu|.gtu|.geu|.num|.nan) [.and|.or|.xor] [.ftz] "
     "(.u32|.s32|.f32) .f32",
     &build_set<float, false>},
    {"set (.eq|.ne|.lt|.le|.gt|.ge|.equ|.neu|.ltu|.leu|.gtu|.geu|.num|.nan) [.and|.or|.xor] [.ftz] "
     "(.u32|.s32|.f32) .f64",
     &build_set<double, false>},
    {"set (.eq|.ne|.lt|.le|.gt|.ge|.equ|.neu|.ltu|.leu|.gtu|.geu|.num|.nan) [.and|.or|.xor] [.ftz] "
     "(.u16|.s16|.u32|.s32|.f16|.f32) .f16",
     &build_set<Half, false>},
    {"set (.eq|.ne|.lt|.le|.gt|.ge|.equ|.neu|.ltu|.leu|.gtu|.geu|.num|.nan) [.and|.or|.xor] [.ftz] "
     "(.u16|.s16|.u32|.s32|.bf16|.f32) .bf16",
     &build_set<BFloat16, false>},
    {"set (.eq|.ne|.lt|.le|.gt|.ge|.equ|.neu|.ltu|.leu|.gtu|.geu|.num|.nan) [.and|.or|.xor] [.ftz] "
     "(.f16x2|.u32|.s32) .f16x2",
     &build_set<Half, true>},
    {"set (.eq|.ne|.lt|.le|.gt|.ge|.equ|.neu|.ltu|.leu|.gtu|.geu|.num|.nan) [.and|.or|.xor] [.ftz] "
     "(.bf16x2|.u32|.s32) .bf16x2",
     &build_set<BFloat16, true>},
});

}  // namespace

Family set_family() { return {"Comparison to a number", "set.cc", kSetForms, true}; }

}  // namespace slipstream::emulator
