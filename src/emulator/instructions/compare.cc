// Comparison to predicates.
#include <array>

#include "emulator/instructions/comparison.h"
#include "emulator/instructions/families.h"
#include "emulator/instructions/lanes.h"

namespace slipstream::emulator {
namespace {

template <Compare kCompare, bool kFlush, class T>
Step set_predicate(const Operation& operation, Warp& warp, uint32_t executing) {
  assign(predicate(operation, warp, 0),
         compare_lanes<kCompare, kFlush, T>(operand<T>(operation, warp, 2),
                                            operand<T>(operation, warp, 3)),
         executing);
  return Step::kNext;
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
});

}  // namespace

Family compare_family() { return {"Comparison to predicates", "compare.cc", kCompareForms, true}; }

}  // namespace slipstream::emulator
