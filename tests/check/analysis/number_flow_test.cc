// Which mbarriers a kernel's indices may choose.
#include "check/analysis/number_flow.h"

#include "check/lower/ptx/lower.h"
#include "code/ptx/module.h"
#include "ptx_kernel.h"

namespace slipstream::check {
namespace {

// The last place at which `body` arrives.
NumberRange arrives_at(const std::string& body) {
  const auto module = slipstream::ptx::Module::parse(ptx_kernel(body), "k.ptx");
  const Function function = from_ptx::lower(*module, module->functions.front());
  const ControlFlow flow = build_control_flow(function);
  std::vector<Operand> wanted;
  for (const Instruction& instruction : function.instructions) {
    const auto parts = function.place_of(instruction);
    wanted.insert(wanted.end(), parts.begin(), parts.end());
  }
  NumberRange last;
  NumberFlow(function, flow, Slice(function, wanted))
      .visit_places([&](uint32_t, const NumberRange& place) { last = place; });
  return last;
}

constexpr const char* kArrive = "  mbarrier.arrive.shared.b64 _, [%r5];\n";

TEST(NumberFlow, FollowsAConstantOffsetInAVariable) {
  const NumberRange place =
      arrives_at("  mov.u32 %r5, barriers;\n  mbarrier.arrive.shared.b64 _, [%r5+24];\n");
  EXPECT_FALSE(place.is_number());
  EXPECT_TRUE(place.is_one());
  EXPECT_EQ(place.first, 24);
}

// A loop over an index in %r3, from 0, that arrives at 8 times the index; `advance` ends with a branch
// to "again".
NumberRange arrives_in_turn(const std::string& advance) {
  return arrives_at("  mov.u32 %r3, 0;\nagain:\n  shl.b32 %r5, %r3, 3;\n" + std::string(kArrive) +
                    advance);
}

TEST(NumberFlow, AnIndexThatASelectionTurnsRoundStaysInItsArray) {
  EXPECT_EQ(arrives_in_turn("  add.s32 %r4, %r3, 1;\n  setp.eq.s32 %p1, %r4, 5;\n"
                            "  selp.b32 %r3, 0, %r4, %p1;\n  bra again;\n"),
            NumberRange::between(0, 32, 8));
}

TEST(NumberFlow, AnIndexThatABranchTurnsRoundStaysInItsArray) {
  EXPECT_EQ(
      arrives_in_turn("  add.s32 %r3, %r3, 1;\n  setp.ne.s32 %p1, %r3, 5;\n  @%p1 bra again;\n"
                      "  mov.u32 %r3, 0;\n  bra again;\n"),
      NumberRange::between(0, 32, 8));
}

TEST(NumberFlow, AnIndexThatAGuardedMoveTurnsRoundStaysInItsArray) {
  EXPECT_EQ(arrives_in_turn("  add.s32 %r3, %r3, 1;\n  setp.eq.u32 %p1, %r3, 5;\n"
                            "  @%p1 mov.u32 %r3, 0;\n  bra again;\n"),
            NumberRange::between(0, 32, 8));
}

TEST(NumberFlow, ALoopBoundsItsCounter) {
  EXPECT_EQ(
      arrives_in_turn("  add.s32 %r3, %r3, 1;\n  setp.lt.u32 %p1, %r3, 5;\n  @%p1 bra again;\n"),
      NumberRange::between(0, 32, 8));
}

TEST(NumberFlow, ALoopOfManyRoundsIsNotFollowedToItsEnd) {
  const NumberRange place = arrives_in_turn(
      "  add.s32 %r3, %r3, 1;\n  setp.lt.s32 %p1, %r3, 1000000;\n  @%p1 bra again;\n");
  EXPECT_EQ(place.least, 0);
  EXPECT_FALSE(place.has_most());
}

TEST(NumberFlow, ACounterWithoutABoundIsAnyFromItsStart) {
  const NumberRange place =
      arrives_in_turn("  add.s32 %r3, %r3, 2;\n  setp.lt.s32 %p1, %r3, %r1;\n  @%p1 bra again;\n");
  EXPECT_EQ(place.least, 0);
  EXPECT_FALSE(place.has_most());
  EXPECT_EQ(place.step, 16);
}

TEST(NumberFlow, AMaskBoundsAnIndexThatIsNotKnown) {
  EXPECT_EQ(arrives_at("  and.b32 %r3, %r1, 3;\n  shl.b32 %r5, %r3, 4;\n" + std::string(kArrive)),
            NumberRange::between(0, 48, 16));
}

TEST(NumberFlow, AThreadsNumberIsBoundedByTheBlock) {
  EXPECT_EQ(arrives_at("  shl.b32 %r5, %r2, 3;\n" + std::string(kArrive)),
            NumberRange::between(0, 8 * 1023, 8));
}

TEST(NumberFlow, AnAddressInThePeersMemoryIsAtTheSamePlace) {
  EXPECT_EQ(arrives_at("  mov.u32 %r3, 24;\n  mapa.shared::cluster.u32 %r5, %r3, %r1;\n" +
                       std::string(kArrive)),
            NumberRange::one(24));
}

TEST(NumberFlow, AMaskThatTakesTheCtaOffAnAddressLeavesItsPlace) {
  EXPECT_EQ(arrives_at("  mov.u32 %r3, 44;\n  and.b32 %r5, %r3, -16777224;\n" +  // 0xfefffff8
                       std::string(kArrive)),
            NumberRange::one(40));
}

TEST(NumberFlow, WhatComesFromMemoryIsNotKnown) {
  EXPECT_EQ(arrives_at("  ld.shared.u32 %r5, [tile];\n" + std::string(kArrive)), NumberRange{});
}

}  // namespace
}  // namespace slipstream::check
