// SASS words as ptxas 13.0 writes them, and what the checker makes of them.
#include "check/lower/sass/lower.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "check/analysis/origins.h"

namespace slipstream::check::from_sass {
namespace {

// Words of an sm_90 kernel whose parameters start at 0x210: pointers at 0 and 8.
class Kernel {
 public:
  Kernel& word(uint64_t low, uint64_t high) {
    words_.push_back({low, high});
    return *this;
  }
  Function lowered() {
    sass::Kernel image;
    image.name = "k";
    image.parameter_base = 0x210;
    image.parameters = {{.offset = 0, .bytes = 8}, {.offset = 8, .bytes = 8}};
    image.indirect_targets = targets;
    image.text = std::as_bytes(std::span(words_));
    return lower(image, 90);
  }
  std::map<uint32_t, std::vector<uint32_t>> targets;

 private:
  std::vector<sass::Word> words_;
};

Action action_of(uint64_t low, uint64_t high) {
  return Kernel().word(low, high).lowered().instructions.front().action;
}

TEST(SassLower, KnowsTheDependencyInstructions) {
  EXPECT_EQ(action_of(0x000000000000782e, 0), Action::kWait);
  EXPECT_EQ(action_of(0x000000000000782d, 0), Action::kTrigger);
  EXPECT_EQ(action_of(0x000000000000794d, 0x03800000), Action::kExit);
}

TEST(SassLower, AComparisonOf64BitsHangsOnThatOfTheLowerHalves) {
  const Function function = Kernel().word(0x00000007ff007c0c, 0x000fda000bf06100).lowered();
  const auto sources = function.sources_of(function.instructions.front());
  ASSERT_EQ(sources.size(), 4U);
  EXPECT_EQ(sources.back().kind, OperandKind::kRegister);
}

TEST(SassLower, KnowsMemoryInstructions) {
  EXPECT_EQ(action_of(0x0000000402037981, 0x0c1e1900), Action::kLoad);          // LDG
  EXPECT_EQ(action_of(0x0000000304007986, 0x0c101904), Action::kStore);         // STG
  EXPECT_EQ(action_of(0x000000050200798e, 0x0c10e184), Action::kAtomic);        // RED
  EXPECT_EQ(action_of(0x00000005020079a6, 0x0c10f384), Action::kAtomic);        // REDG.F
  EXPECT_EQ(action_of(0x00000007020379a8, 0x0c1ee1c4), Action::kAtomic);        // ATOMG
  EXPECT_EQ(action_of(0x0000000002057fae, 0x0b901c44), Action::kCopyToShared);  // LDGSTS
  EXPECT_EQ(action_of(0x00000004060073ba, 0x08000208), Action::kCopyToShared);  // UBLKCP in
  EXPECT_EQ(action_of(0x00000006040073ba, 0x08000405), Action::kCopyToGlobal);  // UBLKCP out
  EXPECT_EQ(action_of(0x00000004060073ba, 0x08000607), Action::kRemoteShared);  // UBLKCP across
  EXPECT_EQ(action_of(0x00000004080075b4, 0x08008000), Action::kCopyToShared);  // UTMALDG
  EXPECT_EQ(action_of(0x00000004080073b5, 0x08008000), Action::kCopyToGlobal);  // UTMASTG
  EXPECT_EQ(action_of(0x00000004ff007984, 0x08000800), Action::kNone);          // LDS
  EXPECT_EQ(action_of(0x000000000200798f, 0x00800100), Action::kNone);          // prefetch
}

TEST(SassLower, FollowsWhatADivisionDependsOn) {
  // Each with R4 and R7: IABS, I2F, MUFU.RCP, F2I; IMAD.HI.U32.
  for (const uint64_t low :
       {0x0000000700047213U, 0x0000000700047306U, 0x0000000700047308U, 0x0000000700047305U}) {
    const Function function = Kernel().word(low, 0x00201400).lowered();
    const auto sources = function.sources_of(function.instructions.front());
    ASSERT_EQ(sources.size(), 1U);
    EXPECT_EQ(sources.front().kind, OperandKind::kRegister) << std::hex << low;
  }
  const Function product = Kernel().word(0x0000000707047227, 0x078e0007).lowered();
  EXPECT_EQ(product.sources_of(product.instructions.front()).size(), 3U);
}

// PLOP3.LUT P0, PT, PT, PT, UP0, 0x80, 0x0 and the same with P0: CTAs that exit early are told by it.
TEST(SassLower, TakesAPredicateFromTheUniformDatapath) {
  const auto third_source = [](uint64_t high) {
    // UISETP.NE UP0, UR7, UR8 and ISETP.NE P0, R7, R8 come first.
    const Function function = Kernel()
                                  .word(0x000000080700728c, 0x0bf05270)
                                  .word(0x000000080700720c, 0x03f05270)
                                  .word(0x000000000000781c, high)
                                  .lowered();
    const auto& instructions = function.instructions;
    const Operand source = function.sources_of(instructions[2])[2];
    const auto written_by = [&](size_t i) {
      return function.destinations_of(instructions[i]).front() == source.index;
    };
    return written_by(0) ? "uniform" : written_by(1) ? "vector" : "neither";
  };
  EXPECT_STREQ(third_source(0x03f0f008), "uniform");
  EXPECT_STREQ(third_source(0x03f0f000), "vector");
}

TEST(SassLower, TellsTheReadOnlyPathApart) {
  const auto load = [](uint64_t high) {
    return Kernel().word(0x0000000402037981, high).lowered().instructions.front();
  };
  EXPECT_FALSE(load(0x0c1e1900).non_coherent);
  EXPECT_TRUE(load(0x0c1e9900).non_coherent);
  EXPECT_TRUE(load(0x0c1e9d00).non_coherent);  // 128 bits
  EXPECT_TRUE(load(0x0c5e9920).non_coherent);  // with a cache hint
  EXPECT_FALSE(load(0x0c1ef900).non_coherent);
  EXPECT_TRUE(load(0x0c1ef900).synchronizing);   // gpu scope
  EXPECT_TRUE(load(0x0c1f5900).synchronizing);   // sys scope
  EXPECT_FALSE(load(0x0c0e1900).synchronizing);  // evict first
}

TEST(SassLower, KnowsBarriers) {
  EXPECT_EQ(action_of(0x0000000000007b1d, 0x00010000), Action::kBarrier);
  EXPECT_EQ(action_of(0x0081000000007b1d, 0x00002000), Action::kBarrierArrive);
  EXPECT_EQ(action_of(0x00000000000079c7, 0x08000000), Action::kClusterArrive);
  EXPECT_EQ(action_of(0x0000000000007dc7, 0x08000000), Action::kClusterWait);
  EXPECT_EQ(action_of(0x000000ffffff79a7, 0x08100004), Action::kMbarrierArrive);
  EXPECT_EQ(action_of(0x00000000ff0075a7, 0x08000144), Action::kMbarrierWait);
  EXPECT_EQ(action_of(0x0000000000007992, 0x0000a000), Action::kFence);  // gpu
  EXPECT_EQ(action_of(0x0000000000007992, 0x0000b000), Action::kFence);  // sys
  EXPECT_EQ(action_of(0x0000000000007992, 0x00008000), Action::kNone);   // cta
}

TEST(SassLower, ReadsTheNumberOfABarrier) {
  const Function function = Kernel().word(0x0041000000007b1d, 0x00010000).lowered();
  const auto sources = function.sources_of(function.instructions.front());
  ASSERT_EQ(sources.size(), 1U);
  EXPECT_EQ(sources.front().value, 1);
}

TEST(SassLower, FollowsBranches) {
  Kernel kernel;
  kernel.word(0x0000000000040947, 0x03800000);  // @P0 BRA over one instruction
  kernel.word(0x000000000000782e, 0).word(0x000000000000794d, 0x03800000);
  kernel.word(0xfffffffc00fc7947, 0x0383ffff);  // BRA to itself
  const Function function = kernel.lowered();
  EXPECT_EQ(function.targets_of(function.instructions[0])[0], 2U);
  EXPECT_NE(function.instructions[0].guard, kNone);
  EXPECT_EQ(function.targets_of(function.instructions[3])[0], 3U);
}

TEST(SassLower, FollowsIndirectBranchesByTheirList) {
  Kernel kernel;
  kernel.word(0xfffffffc048c7949, 0x0383ffff).word(0x794d, 0x03800000).word(0x794d, 0x03800000);
  kernel.targets[0] = {16, 32};
  const Function function = kernel.lowered();
  EXPECT_EQ(function.targets_of(function.instructions[0]).size(), 2U);
}

TEST(SassLower, SaysWhenTargetsAreNotListed) {
  const Function function = Kernel().word(0xfffffffc048c7949, 0x0383ffff).lowered();
  ASSERT_EQ(function.not_understood.size(), 1U);
}

TEST(SassLower, TracesAddressesToParameters) {
  Kernel kernel;
  kernel.word(0x00008600ff047b82, 0x0a00);      // LDC.64 R4, c[0x0][0x218]
  kernel.word(0x0000000407047825, 0x078e0204);  // IMAD.WIDE R4, R7, 4, R4
  kernel.word(0x0000000704007986, 0x0c101904);  // STG [R4]
  kernel.word(0x000000000000794d, 0x03800000);
  const Function function = kernel.lowered();
  const Origins origins = find_origins(function);
  const std::vector<Origin> expected = {{OriginKind::kParameter, 8}};
  EXPECT_EQ(origins.memory_of(2), expected);
}

TEST(SassLower, ReadsParametersIntoUniformRegisters) {
  const auto parameter = [](uint64_t low) {
    const Function function = Kernel().word(low, 0x0a00).lowered();
    return function.sources_of(function.instructions.front())[0];
  };
  for (const uint64_t word : {0x0000860000047ab9ULL, 0x00004300ff0477acULL}) {  // ULDC.64, LDCU.64
    EXPECT_EQ(parameter(word).kind, OperandKind::kParameter);
    EXPECT_EQ(parameter(word).value, 8);  // c[0x0][0x218]
  }
}

// An unknown instruction would leave its result's register with what was in it before: in vLLM the
// parameter that switches the wait on, which then was no parameter any more.
TEST(SassLower, KnowsWhereReductionsOverAWarpPutTheirResult) {
  for (const uint64_t reduction :
       {0x000000000c0472ccULL, 0x000000000c0473c4ULL}) {  // CREDUX, REDUX
    Kernel kernel;
    kernel.word(0x00004300ff0477ac, 0x0a00);      // LDCU UR4
    kernel.word(reduction, 0);                    // UR4, of R12
    kernel.word(0x00000004ff197e24, 0x0f8e00ff);  // IMAD.U32 R25, RZ, RZ, UR4
    const Function function = kernel.lowered();
    const Instruction& reduce = function.instructions[1];
    const auto results = function.destinations_of(reduce);
    ASSERT_EQ(results.size(), 1U);
    EXPECT_EQ(reduce.compute, Compute::kOpaque);
    EXPECT_NE(results[0], function.destinations_of(function.instructions[0])[0]);
    const auto used = function.sources_of(function.instructions[2]);
    EXPECT_TRUE(std::any_of(used.begin(), used.end(), [&](const Operand& operand) {
      return operand.kind == OperandKind::kRegister && operand.index == results[0];
    }));
  }
}

TEST(SassLower, KnowsThatADivisionIsCheckedIntoAPredicate) {
  Kernel kernel;
  kernel.word(0x0000000904007302, 0);           // FCHK P0, R4, R9
  kernel.word(0x00000000000c8947, 0x03800000);  // @!P0 BRA
  const Function function = kernel.lowered();
  const auto results = function.destinations_of(function.instructions[0]);
  ASSERT_FALSE(results.empty());
  EXPECT_EQ(results.back(), function.instructions[1].guard);
}

// Lanes that hold different values take turns by that predicate.
TEST(SassLower, KnowsThePredicatesNextToAResult) {
  const auto results = [](uint64_t low, uint64_t high) {
    return Kernel().word(low, high).lowered().instructions.front().destinations.count;
  };
  EXPECT_EQ(results(0x00000000090b72ca, 0x000fe20000000000), 2U);  // R2UR P0, UR11, R9
  EXPECT_EQ(results(0x00000000020672ca, 0x000fe200000e0000), 1U);  // R2UR UR6, R2
  EXPECT_EQ(results(0x00000000003e782f, 0x000fe40003800000), 2U);  // ELECT P0, UR62, PT
  EXPECT_EQ(results(0x000000f0000079c8, 0x000e640008020600), 1U);  // USETMAXREG.TRY_ALLOC UP1
  EXPECT_EQ(results(0x00000018000079c8, 0x000e4000080e0500), 0U);  // USETMAXREG.DEALLOC
  EXPECT_EQ(results(0x00000004000475e3, 0x000e640008000800), 2U);  // UTCATOMSWS UP0, UR4, UR4
}

// The role that a warp's number chooses, bounded by the size of the table.
TEST(SassLower, FollowsATableOfTargets) {
  Kernel kernel;
  kernel.word(0x0000000208087848, 0x000fca0003fe0000);  // VIMNMX.U32 R8, R8, 2, PT
  kernel.word(0x0000000208067446, 0x000fca0003800007);  // VIADDMNMX.U32 R6, R8, R7, 2, PT
  kernel.word(0x0080030008047b82, 0x000e640000000800);  // LDC R4, c[2][R8 + 12]
  kernel.word(0xfffffffc04b07949, 0x001fea000383ffff);  // BRX R4
  kernel.targets[0x30] = {0x00, 0x10};
  const Function function = kernel.lowered();
  EXPECT_EQ(function.instructions[0].compute, Compute::kMinimum);
  EXPECT_EQ(function.instructions[1].compute, Compute::kMinimum);
  EXPECT_EQ(function.instructions[1].sources.count, 3U);
  EXPECT_EQ(function.instructions[2].compute, Compute::kTableWord);
  EXPECT_EQ(function.instructions[2].immediate, 12);
  const auto place = function.place_of(function.instructions[3]);
  ASSERT_EQ(place.size(), 2U);
  EXPECT_EQ(place[0].index, function.destinations_of(function.instructions[2])[0]);
}

TEST(SassLower, KnowsTheMbarrierOfAnArrivalAndOfACopy) {
  Kernel kernel;
  kernel.word(0x03883010130075a7, 0x000ea4000802007f);  // SYNCS.PHASECHK P1, [R19+URZ+0x38830], R16
  kernel.word(0x03880003ffff79a7, 0x0003e20008000010);  // SYNCS.ARRIVE [UR16+0x38800], R3
  kernel.word(0x00001208100075b4, 0x0007e40008019000);  // UTMALDG.4D [UR8], [UR16]
  kernel.word(0x02836000ff0079b0, 0x000fe20008002a0a);  // ARRIVES.LDGSTSBAR [UR10+0x28360]
  kernel.word(0x000000ff3c0073e9, 0x0009e20008200832);  // UTCBAR [UR60], URZ, UR50
  const Function function = kernel.lowered();
  const auto place = [&](size_t i) { return function.place_of(function.instructions[i]); };
  ASSERT_EQ(place(0).size(), 3U);
  EXPECT_EQ(place(0)[0].kind, OperandKind::kRegister);
  EXPECT_EQ(place(0)[2].value, 0x38830);
  ASSERT_EQ(place(1).size(), 3U);
  EXPECT_EQ(place(1)[1].kind, OperandKind::kRegister);
  EXPECT_EQ(place(1)[2].value, 0x38800);
  EXPECT_EQ(place(2).size(), 1U);
  ASSERT_EQ(place(3).size(), 3U);
  EXPECT_EQ(place(3)[2].value, 0x28360);
  ASSERT_EQ(place(4).size(), 1U);
  EXPECT_EQ(place(4)[0].kind, OperandKind::kRegister);
}

TEST(SassLower, KnowsWhereInSharedMemoryAnAccessIs) {
  Kernel kernel;
  kernel.word(0x0000140505087984, 0x000e280008000800);  // LDS R8, [R5+UR5+0x14]
  kernel.word(0x0000000207007988, 0x0041e20008000805);  // STS [R7+UR5], R2
  kernel.word(0x0000240a0b05738c, 0x000fe80000000000);  // ATOMS.ADD R5, [R11+0x24], R10
  const Function function = kernel.lowered();
  EXPECT_EQ(function.instructions[0].shared, SharedAccess::kRead);
  EXPECT_EQ(function.place_of(function.instructions[0]).size(), 3U);
  EXPECT_EQ(function.place_of(function.instructions[0])[2].value, 0x14);
  EXPECT_EQ(function.instructions[1].shared, SharedAccess::kWrite);
  EXPECT_EQ(function.place_of(function.instructions[1])[1].kind, OperandKind::kRegister);
  EXPECT_EQ(function.instructions[2].shared, SharedAccess::kWrite);
  EXPECT_EQ(function.place_of(function.instructions[2])[1].value, 0x24);
}

TEST(SassLower, KnowsTheRegisterThatHoldsTheNumberOfABarrier) {
  const Function function = Kernel().word(0x000280030000751d, 0x0001ec0000010000).lowered();
  const auto place = function.place_of(function.instructions.front());  // BAR.SYNC R3, 0xa0
  ASSERT_EQ(place.size(), 1U);
  EXPECT_EQ(place[0].kind, OperandKind::kRegister);
}

// Where it is not known when compiling, code asks whether there are clusters (c[0x0][0x140]).
TEST(SassLower, TakesAGridForOneWithClusters) {
  const Function function = Kernel().word(0x00005000ff047b82, 0x0800).lowered();  // LDC R4
  const auto sources = function.sources_of(function.instructions.front());
  ASSERT_EQ(sources.size(), 1U);
  EXPECT_EQ(sources[0].kind, OperandKind::kImmediate);
  EXPECT_EQ(sources[0].value, 1);
}

TEST(SassLower, KnowsTheWaysOfSettingAConstant) {
  const auto constant = [](uint64_t low, uint64_t high) -> std::optional<int64_t> {
    const Function function = Kernel().word(low, high).lowered();
    const Instruction& first = function.instructions.front();
    const auto sources = function.sources_of(first);
    if (first.compute != Compute::kMove || sources.size() != 1) return std::nullopt;
    return sources[0].value;
  };
  EXPECT_EQ(constant(0x00001a00ff187431, 0x000001ff), 0x1a00);  // HFMA2 R24, -RZ, RZ, constant
  EXPECT_EQ(constant(0x3f803f8008087831, 0x00200004),
            std::nullopt);                                 // HFMA2.BF16_V2 R8, R8, 1, 1, R4
  EXPECT_EQ(constant(0x00007610ff037816, 0x00000003), 0);  // PRMT R3, RZ, 0x7610, R3
}

TEST(SplitRegisters, SeparatesUnrelatedUsesOfOneRegister) {
  Kernel kernel;
  kernel.word(0x00008400ff047b82, 0x0a00);      // R4 = first pointer
  kernel.word(0x0000000304007986, 0x0c101904);  // STG [R4]
  kernel.word(0x00008600ff047b82, 0x0a00);      // R4 = second pointer
  kernel.word(0x0000000304007986, 0x0c101904);
  kernel.word(0x000000000000794d, 0x03800000);
  const Function function = kernel.lowered();
  const Origins origins = find_origins(function);
  EXPECT_EQ(origins.memory_of(1), (std::vector<Origin>{{OriginKind::kParameter, 0}}));
  EXPECT_EQ(origins.memory_of(3), (std::vector<Origin>{{OriginKind::kParameter, 8}}));
}

}  // namespace
}  // namespace slipstream::check::from_sass
