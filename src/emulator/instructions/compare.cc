// Comparison and selection.
#include <immintrin.h>

#include <array>
#include <string_view>
#include <type_traits>

#include "emulator/arithmetic/floating.h"
#include "emulator/arithmetic/half.h"
#include "emulator/instructions/families.h"
#include "emulator/instructions/lanes.h"

namespace slipstream::emulator {
namespace {

enum class Compare : uint8_t {
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,  // ordered: false for NaN
  kEqualOrNan,
  kNotEqualOrNan,
  kLessOrNan,
  kLessEqualOrNan,
  kGreaterOrNan,
  kGreaterEqualOrNan,
  kBothNumbers,
  kSomeNan,
};

template <Compare kCompare, class T>
bool holds(T a, T b) {
  if constexpr (kCompare == Compare::kEqual) {
    return a == b;
  } else if constexpr (kCompare == Compare::kNotEqual) {
    return a < b || a > b;
  } else if constexpr (kCompare == Compare::kLess) {
    return a < b;
  } else if constexpr (kCompare == Compare::kLessEqual) {
    return a <= b;
  } else if constexpr (kCompare == Compare::kGreater) {
    return a > b;
  } else if constexpr (kCompare == Compare::kGreaterEqual) {
    return a >= b;
  } else if constexpr (kCompare == Compare::kEqualOrNan) {
    return !(a < b || a > b);
  } else if constexpr (kCompare == Compare::kNotEqualOrNan) {
    return !(a == b);
  } else if constexpr (kCompare == Compare::kLessOrNan) {
    return !(a >= b);
  } else if constexpr (kCompare == Compare::kLessEqualOrNan) {
    return !(a > b);
  } else if constexpr (kCompare == Compare::kGreaterOrNan) {
    return !(a <= b);
  } else if constexpr (kCompare == Compare::kGreaterEqualOrNan) {
    return !(a < b);
  } else if constexpr (kCompare == Compare::kBothNumbers) {
    return a == a && b == b;
  } else {
    return a != a || b != b;
  }
}

// What a lane's bits mean to a comparison.
template <bool kFlush, class T>
auto value_of(T lane) {
  if constexpr (std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>) {
    const bool subnormal = (lane.bits & 0x7c00U) == 0;
    return to_float(kFlush && subnormal ? T{0} : lane);
  } else if constexpr (std::is_floating_point_v<T>) {
    return flush<kFlush>(lane);
  } else {
    return lane;
  }
}

// The mask of lanes for which the comparison holds. There are hundreds of these, which setp and set
// call in three ways: to inline them would be most of the time that this file takes to compile.
template <Compare kCompare, bool kFlush, class T>
[[gnu::noinline]] uint32_t compare_lanes(const void* a, const void* b) {
  const T* const left = static_cast<const T*>(a);
  const T* const right = static_cast<const T*>(b);
  alignas(32) std::array<uint8_t, kWarpSize> results;
  for (uint32_t lane = 0; lane < kWarpSize; ++lane) {
    const bool result =
        holds<kCompare>(value_of<kFlush>(left[lane]), value_of<kFlush>(right[lane]));
    results[lane] = result ? 0xff : 0;
  }
  const auto* const bytes = reinterpret_cast<const __m256i*>(results.data());
  return static_cast<uint32_t>(_mm256_movemask_epi8(_mm256_load_si256(bytes)));
}

template <Compare kCompare, bool kFlush, class T>
Step set_predicate(const Operation& operation, Warp& warp, uint32_t executing) {
  assign(predicate(operation, warp, 0),
         compare_lanes<kCompare, kFlush, T>(operand<T>(operation, warp, 2),
                                            operand<T>(operation, warp, 3)),
         executing);
  return Step::kNext;
}

enum class Connective : uint8_t { kNone, kAnd, kOr, kXor };

uint32_t combine(Connective how, uint32_t result, uint32_t with) {
  switch (how) {
    case Connective::kAnd:
      return result & with;
    case Connective::kOr:
      return result | with;
    case Connective::kXor:
      return result ^ with;
    default:
      return result;
  }
}

Connective combine_of(const Builder& builder) {
  return builder.has(".and")   ? Connective::kAnd
         : builder.has(".or")  ? Connective::kOr
         : builder.has(".xor") ? Connective::kXor
                               : Connective::kNone;
}

// p = result combined with c, q = its complement combined with c.
template <Compare kCompare, bool kFlush, class T>
Step set_two_predicates(const Operation& operation, Warp& warp, uint32_t executing) {
  const auto how = static_cast<Connective>(operation.immediate);
  const uint32_t result = compare_lanes<kCompare, kFlush, T>(operand<T>(operation, warp, 2),
                                                             operand<T>(operation, warp, 3));
  const uint32_t with = predicate(operation, warp, 4);
  assign(predicate(operation, warp, 0), combine(how, result, with), executing);
  assign(predicate(operation, warp, 1), combine(how, ~result, with), executing);
  return Step::kNext;
}

struct Spelling {
  std::string_view name;
  Compare floating;  // Compare for floating-point types
  Compare integer;   // for integers
};
constexpr std::array<Spelling, 18> kSpellings = {{
    {".eq", Compare::kEqual, Compare::kEqual},
    {".ne", Compare::kNotEqual, Compare::kNotEqual},
    {".lt", Compare::kLess, Compare::kLess},
    {".le", Compare::kLessEqual, Compare::kLessEqual},
    {".gt", Compare::kGreater, Compare::kGreater},
    {".ge", Compare::kGreaterEqual, Compare::kGreaterEqual},
    {".lo", Compare::kLess, Compare::kLess},
    {".ls", Compare::kLessEqual, Compare::kLessEqual},
    {".hi", Compare::kGreater, Compare::kGreater},
    {".hs", Compare::kGreaterEqual, Compare::kGreaterEqual},
    {".equ", Compare::kEqualOrNan, Compare::kEqual},
    {".neu", Compare::kNotEqualOrNan, Compare::kNotEqual},
    {".ltu", Compare::kLessOrNan, Compare::kLess},
    {".leu", Compare::kLessEqualOrNan, Compare::kLessEqual},
    {".gtu", Compare::kGreaterOrNan, Compare::kGreater},
    {".geu", Compare::kGreaterEqualOrNan, Compare::kGreaterEqual},
    {".num", Compare::kBothNumbers, Compare::kEqual},
    {".nan", Compare::kSomeNan, Compare::kEqual},
}};

template <class T>
inline constexpr bool kIsFloating =
    std::is_floating_point_v<T> || std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;

// Calls visitor.template operator()<Compare>() for the comparison that the instruction names.
template <class T, class Visitor>
void with_comparison(std::string_view name, Visitor visitor) {
  Compare wanted = Compare::kEqual;
  for (const Spelling& spelling : kSpellings) {
    if (spelling.name == name) wanted = kIsFloating<T> ? spelling.floating : spelling.integer;
  }
  const auto try_one = [&]<Compare kCompare>() {
    if (kCompare == wanted) visitor.template operator()<kCompare>();
  };
  const auto try_all = [&]<size_t... kIndex>(std::index_sequence<kIndex...>) {
    (try_one.template operator()<static_cast<Compare>(kIndex)>(), ...);
  };
  // Integers need the six ordered comparisons only.
  try_all(std::make_index_sequence < kIsFloating<T> ? 14 : 6 > {});
}

// Slot 0 is the comparison. Operands: p, q, a, b, c.
template <class T, bool kFlush>
void build_setp_flushing(Builder& builder) {
  builder.expect_operands(3, 4);
  const ptx::Operand& target = builder.operand(0);
  const bool two = target.kind == ptx::OperandKind::kPair;
  if (two) {
    builder.write(builder.children(target)[0], ptx::Type::kPred);
    builder.write(builder.children(target)[1], ptx::Type::kPred);
  } else {
    builder.write(target, ptx::Type::kPred);
    builder.scratch(ptx::Type::kPred);
  }
  builder.read(1, kPtxType<T>);
  builder.read(2, kPtxType<T>);
  const Connective how = combine_of(builder);
  if (how != Connective::kNone) builder.expect_operands(4, 4);
  builder.read_optional_predicate(3);
  builder.set_immediate(static_cast<int64_t>(how));
  with_comparison<T>(builder.slot(0), [&]<Compare kCompare>() {
    builder.set_handler(two || how != Connective::kNone ? &set_two_predicates<kCompare, kFlush, T>
                                                        : &set_predicate<kCompare, kFlush, T>);
  });
}
template <class T>
void build_setp(Builder& builder) {
  if constexpr (kIsFloating<T> && sizeof(T) < 8) {
    if (builder.has(".ftz")) {
      build_setp_flushing<T, true>(builder);
      return;
    }
  }
  build_setp_flushing<T, false>(builder);
}

// --- Pairs of halves: p for the low ones, q for the high ones.

template <class T, Compare kCompare, bool kFlush>
struct PairComparison {
  static uint32_t low(const uint32_t* a, const uint32_t* b) { return compare(a, b, 0); }
  static uint32_t high(const uint32_t* a, const uint32_t* b) { return compare(a, b, 16); }

  [[gnu::noinline]] static uint32_t compare(const uint32_t* a, const uint32_t* b, uint32_t shift) {
    uint32_t mask = 0;
    for (uint32_t lane = 0; lane < kWarpSize; ++lane) {
      const T left{static_cast<uint16_t>(a[lane] >> shift)};
      const T right{static_cast<uint16_t>(b[lane] >> shift)};
      const bool result = holds<kCompare>(value_of<kFlush>(left), value_of<kFlush>(right));
      mask |= static_cast<uint32_t>(result) << lane;
    }
    return mask;
  }
};

template <class T, Compare kCompare, bool kFlush>
Step set_pair_predicates(const Operation& operation, Warp& warp, uint32_t executing) {
  const auto how = static_cast<Connective>(operation.immediate);
  const auto* const a = operand<uint32_t>(operation, warp, 2);
  const auto* const b = operand<uint32_t>(operation, warp, 3);
  const uint32_t with = predicate(operation, warp, 4);
  using Lanes = PairComparison<T, kCompare, kFlush>;
  const uint32_t low = Lanes::low(a, b);
  const uint32_t high = Lanes::high(a, b);
  assign(predicate(operation, warp, 0), combine(how, low, with), executing);
  assign(predicate(operation, warp, 1), combine(how, high, with), executing);
  return Step::kNext;
}

template <class T>
void build_setp_pair(Builder& builder) {
  builder.expect_operands(3, 4);
  if (builder.operand(0).kind != ptx::OperandKind::kPair) {
    builder.reject("its destination must be a pair of predicates, p|q");
  }
  builder.write(builder.children(builder.operand(0))[0], ptx::Type::kPred);
  builder.write(builder.children(builder.operand(0))[1], ptx::Type::kPred);
  builder.read(1, ptx::Type::kB32);
  builder.read(2, ptx::Type::kB32);
  builder.read_optional_predicate(3);
  builder.set_immediate(static_cast<int64_t>(combine_of(builder)));
  with_comparison<T>(builder.slot(0), [&]<Compare kCompare>() {
    builder.set_handler(builder.has(".ftz") ? &set_pair_predicates<T, kCompare, true>
                                            : &set_pair_predicates<T, kCompare, false>);
  });
}

// --- set: the result as a number in a register.

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

// --- Selection.

template <class T>
Step select(const Operation& operation, Warp& warp, uint32_t executing) {
  T* const result = operand<T>(operation, warp, 0);
  const T* const a = operand<T>(operation, warp, 1);
  const T* const b = operand<T>(operation, warp, 2);
  const uint32_t choose = predicate(operation, warp, 3);
  if (executing == kAllLanes) {
    choose_lanes(result, a, b, choose);
  } else {
    alignas(64) std::array<T, kWarpSize> values;
    choose_lanes(values.data(), a, b, choose);
    assign_lanes(result, values.data(), executing);
  }
  return Step::kNext;
}
template <class T>
void build_select(Builder& builder) {
  read_operands<T, T, T, Predicate>(builder);
  builder.set_handler(&select<T>);
  builder.set_passing(Passing::kSelects);
}

template <class T>
T select_by_sign(T a, T b, int32_t c) {
  return c >= 0 ? a : b;
}
template <class T, bool kFlush>
T select_by_float(T a, T b, float c) {
  return flush<kFlush>(c) >= 0 ? a : b;
}
template <class T>
void build_select_by_float(Builder& builder) {
  read_operands<T, T, T, float>(builder);
  builder.set_handler(builder.has(".ftz")
                          ? &elementwise<select_by_float<T, true>, T, T, T, float>
                          : &elementwise<select_by_float<T, false>, T, T, T, float>);
}

constexpr auto kCompareForms = std::to_array<Form>({
    {"setp (.eq|.ne|.lt|.le|.gt|.ge|.lo|.ls|.hi|.hs) [.and|.or|.xor] (.b16|.u16)",
     &build_setp<uint16_t>},
    {"setp (.eq|.ne|.lt|.le|.gt|.ge) [.and|.or|.xor] .s16", &build_setp<int16_t>},
    {"setp (.eq|.ne|.lt|.le|.gt|.ge|.lo|.ls|.hi|.hs) [.and|.or|.xor] (.b32|.u32)",
     &build_setp<uint32_t>},
    {"setp (.eq|.ne|.lt|.le|.gt|.ge) [.and|.or|.xor] .s32", &build_setp<int32_t>},
    {"setp (.eq|.ne|.lt|.le|.gt|.ge|.lo|.ls|.hi|.hs) [.and|.or|.xor] (.b64|.u64)",
     &build_setp<uint64_t>},
    {"setp (.eq|.ne|.lt|.le|.gt|.ge) [.and|.or|.xor] .s64", &build_setp<int64_t>},
    {"setp (.eq|.ne|.lt|.le|.gt|.ge|.equ|.neu|.ltu|.leu|.gtu|.geu|.num|.nan) [.and|.or|.xor] "
     "[.ftz] .f32",
     &build_setp<float>},
    {"setp (.eq|.ne|.lt|.le|.gt|.ge|.equ|.neu|.ltu|.leu|.gtu|.geu|.num|.nan) [.and|.or|.xor] .f64",
     &build_setp<double>},
    {"setp (.eq|.ne|.lt|.le|.gt|.ge|.equ|.neu|.ltu|.leu|.gtu|.geu|.num|.nan) [.and|.or|.xor] "
     "[.ftz] .f16",
     &build_setp<Half>},
    {"setp (.eq|.ne|.lt|.le|.gt|.ge|.equ|.neu|.ltu|.leu|.gtu|.geu|.num|.nan) [.and|.or|.xor] .bf16",
     &build_setp<BFloat16>},
    {"setp (.eq|.ne|.lt|.le|.gt|.ge|.equ|.neu|.ltu|.leu|.gtu|.geu|.num|.nan) [.and|.or|.xor] "
     "[.ftz] .f16x2",
     &build_setp_pair<Half>},
    {"setp (.eq|.ne|.lt|.le|.gt|.ge|.equ|.neu|.ltu|.leu|.gtu|.geu|.num|.nan) [.and|.or|.xor] "
     ".bf16x2",
     &build_setp_pair<BFloat16>},
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
    {"selp (.b16|.u16|.s16)", &build_select<uint16_t>},
    {"selp (.b32|.u32|.s32)", &build_select<uint32_t>},
    {"selp .f32", &build_select<float>},
    {"selp (.b64|.u64|.s64)", &build_select<uint64_t>},
    {"selp .f64", &build_select<double>},
    {"slct (.b16|.u16|.s16) .s32",
     &build<select_by_sign<uint16_t>, uint16_t, uint16_t, uint16_t, int32_t>},
    {"slct (.b32|.u32|.s32) .s32",
     &build<select_by_sign<uint32_t>, uint32_t, uint32_t, uint32_t, int32_t>},
    {"slct .f32 .s32", &build<select_by_sign<float>, float, float, float, int32_t>},
    {"slct (.b64|.u64|.s64) .s32",
     &build<select_by_sign<uint64_t>, uint64_t, uint64_t, uint64_t, int32_t>},
    {"slct .f64 .s32", &build<select_by_sign<double>, double, double, double, int32_t>},
    {"slct [.ftz] (.b16|.u16|.s16) .f32", &build_select_by_float<uint16_t>},
    {"slct [.ftz] (.b32|.u32|.s32) .f32", &build_select_by_float<uint32_t>},
    {"slct [.ftz] .f32 .f32", &build_select_by_float<float>},
    {"slct [.ftz] (.b64|.u64|.s64) .f32", &build_select_by_float<uint64_t>},
    {"slct [.ftz] .f64 .f32", &build_select_by_float<double>},
});

}  // namespace

Family compare_family() { return {"Comparison and selection", "compare.cc", kCompareForms, true}; }

}  // namespace slipstream::emulator
