#include <limits>

#include "wgmma_program.h"

namespace slipstream::emulator::wgmma_test {
namespace {

using namespace wgmma_program;

constexpr auto kSwizzles = {Swizzle::kNone, Swizzle::k128, Swizzle::k64, Swizzle::k32};

TEST(Wgmma, FindsMatricesInEverySwizzle) {
  for (const Swizzle swizzle : kSwizzles) {
    EXPECT_TRUE(multiplies({.a = in_depth(swizzle)}));
    EXPECT_TRUE(multiplies({.columns = 128, .b = in_depth(swizzle)}));
  }
}

TEST(Wgmma, FindsTransposedMatricesInEverySwizzle) {
  for (const Swizzle swizzle : kSwizzles) {
    EXPECT_TRUE(multiplies({.a = in_rows(swizzle)}));
    EXPECT_TRUE(multiplies({.columns = 256, .b = in_rows(swizzle)}));
  }
}

TEST(Wgmma, TakesAFromRegisters) {
  EXPECT_TRUE(multiplies({.a_in_registers = true}));
  EXPECT_TRUE(multiplies({.b = in_rows(Swizzle::k128), .a_in_registers = true}));
  EXPECT_TRUE(multiplies(
      {.type = {"f32.e4m3.e4m3", 1, to_e4m3, to_e4m3, from_f32}, .a_in_registers = true}));
  EXPECT_TRUE(multiplies(
      {.type = {"f32.tf32.tf32", 4, to_tf32, to_tf32, from_f32}, .a_in_registers = true}));
}

TEST(Wgmma, MultipliesEveryType) {
  const std::vector<Type> types = {
      {"f32.f16.f16", 2, to_f16, to_f16, from_f32},
      {"f16.f16.f16", 2, to_f16, to_f16, from_f16},
      {"f32.tf32.tf32", 4, to_tf32, to_tf32, from_f32},
      {"f32.e4m3.e4m3", 1, to_e4m3, to_e4m3, from_f32},
      {"f32.e4m3.e5m2", 1, to_e4m3, to_e5m2, from_f32},
      {"f32.e5m2.e4m3", 1, to_e5m2, to_e4m3, from_f32},
      {"f32.e5m2.e5m2", 1, to_e5m2, to_e5m2, from_f32},
      {"f16.e4m3.e5m2", 1, to_e4m3, to_e5m2, from_f16},
      {"f16.e5m2.e4m3", 1, to_e5m2, to_e4m3, from_f16},
      {"s32.s8.s8", 1, to_byte, to_byte, from_s32},
      {"s32.s8.u8", 1, to_byte, to_magnitude, from_s32},
      {"s32.u8.s8", 1, to_magnitude, to_byte, from_s32},
      {"s32.u8.u8", 1, to_magnitude, to_magnitude, from_s32},
  };
  for (const Type& type : types) EXPECT_TRUE(multiplies({.type = type}));
}

TEST(Wgmma, HasEveryNumberOfColumns) {
  for (uint32_t columns = 8; columns <= kMaxColumns; columns += 8)
    EXPECT_TRUE(multiplies({.columns = columns}));
}

TEST(Wgmma, LeavesTheAccumulatorsOutAndNegates) {
  EXPECT_TRUE(multiplies({.accumulates = false}));
  EXPECT_TRUE(multiplies({.scale_a = -1}));
  EXPECT_TRUE(multiplies({.scale_b = -1}));
  EXPECT_TRUE(multiplies({.scale_a = -1, .scale_b = -1}));
}

TEST(Wgmma, SaturatesIntegersWhereAsked) {
  Product product{.type = {"s32.u8.u8", 1, to_magnitude, to_magnitude, from_s32}};
  std::string body;
  for (uint32_t i = 0; i < product.registers(); ++i)
    body += fmt::format("mov.b32 %d{}, 0x7fffffff;\n", i);
  EXPECT_LT(accumulator(product, run(product, body + once(product)), 1, 1), 0);
  product.suffix = ".satfinite";
  EXPECT_EQ(accumulator(product, run(product, body + once(product)), 1, 1),
            std::numeric_limits<int32_t>::max());
}

// --- What is refused.

std::string rejection_of(const std::string& instruction) {
  try {
    (void)run({}, kFence + instruction);
  } catch (const LaunchError& error) {
    return error.what();
  }
  return "nothing";
}

std::string with_opcode(const std::string& opcode) {
  Product product;
  const std::string text = product.instruction();
  return opcode + text.substr(product.opcode().size());
}

TEST(Wgmma, NamesShapesAndScalesThatPtxDoesNotHave) {
  const auto contains = [](const std::string& text, const std::string& part) {
    return text.find(part) != text.npos;
  };
  const std::string prefix = "wgmma.mma_async.sync.aligned.m64";
  EXPECT_TRUE(contains(rejection_of(with_opcode(prefix + "n12k16.f32.bf16.bf16")),
                       "n must be a multiple of 8 up to 256, not 12"));
  EXPECT_TRUE(contains(rejection_of(with_opcode(prefix + "n264k16.f32.bf16.bf16")), "not 264"));
  EXPECT_TRUE(contains(rejection_of(with_opcode(prefix + "n72k16.f32.bf16.bf16")),
                       "operand 1 has 32 registers and must have 36"));
  EXPECT_TRUE(contains(rejection_of(Product{.scale_a = 2}.instruction()),
                       "operand 5 must be 1 or -1, not 2"));
  const Product integers{.type = {"s32.s8.s8", 1, to_byte, to_byte, from_s32}, .columns = 40};
  EXPECT_TRUE(contains(rejection_of(integers.instruction()),
                       "n must be 8, 24 or a multiple of 16 up to 256, not 40"));
  EXPECT_TRUE(
      contains(rejection_of(with_opcode("wgmma.mma_async.sp.sync.aligned.m64n64k32.f32.bf16.bf16")),
               "wgmma.mma_async.sp"));
}

// --- What is a fault.

FaultKind fault_of(const Product& product, const std::string& body, const std::string& part,
                   Dim3 block = {128, 1, 1}) {
  const Outcome outcome = run(product, body, Schedule::kSerial, block);
  if (!outcome.fault) {
    ADD_FAILURE() << "no fault";
    return FaultKind::kAssert;
  }
  EXPECT_NE(outcome.fault->report().find(part), std::string::npos) << outcome.fault->report();
  return outcome.fault->kind;
}

TEST(Wgmma, StopsWhereAMatrixLeavesSharedMemory) {
  const std::string start = "add.s64 %rd10, %rd10, 4096;\n";
  EXPECT_EQ(fault_of({}, start + once({}), "the matrix of descriptor"), FaultKind::kOutOfBounds);
  const std::string stride = "or.b64 %rd11, %rd11, 0x3ff00000000;\n";
  EXPECT_EQ(fault_of({}, stride + once({}), "wgmma.mma_async.sync.aligned.m64n64k16"),
            FaultKind::kOutOfBounds);
}

TEST(Wgmma, NeedsTheSameDescriptorsInAllThreads) {
  const std::string differ = "cvt.u64.u32 %rd12, %r1;\nadd.s64 %rd11, %rd11, %rd12;\n";
  EXPECT_EQ(fault_of({}, differ + once({}), "the descriptor of B must be the same"),
            FaultKind::kIllegalInstruction);
}

TEST(Wgmma, NeedsFourWholeWarps) {
  EXPECT_EQ(fault_of({}, once({}), " has 3", {96, 1, 1}), FaultKind::kIllegalInstruction);
  const std::string leave = "setp.eq.u32 %p2, %r1, 77;\n@%p2 exit;\n";
  EXPECT_EQ(fault_of({}, leave + once({}), "it needs all of them"), FaultKind::kIllegalInstruction);
}

TEST(Wgmma, NamesAWarpThatTheOthersDoNotFollow) {
  const std::string skip = "setp.ge.u32 %p2, %r1, 32;\n@%p2 bra skip;\n";
  EXPECT_EQ(fault_of({}, skip + once({}) + "skip:\n",
                     "warp 0 is at a wgmma.mma_async that the rest of its warpgroup"),
            FaultKind::kDivergentBarrier);
  const std::string part = "setp.eq.u32 %p2, %r1, 3;\n@%p2 bra skip;\n";
  EXPECT_EQ(fault_of({}, part + once({}) + "skip: bar.sync 0;\n", "of warp 0"),
            FaultKind::kDivergentBarrier);
  const std::string other = "setp.ge.u32 %p2, %r1, 96;\n@%p2 bra other;\n" + once({}) +
                            "bra done;\nother:\n" + once({}) + "done:\n";
  EXPECT_EQ(fault_of({}, other, "another wgmma.mma_async"), FaultKind::kDivergentBarrier);
}

TEST(Wgmma, ReportsAMissingFenceOnce) {
  const Outcome outcome = run({}, Product{}.instruction() + kCommit + kWait);
  EXPECT_FALSE(outcome.fault);
  ASSERT_EQ(outcome.observations.size(), 1U);
  EXPECT_EQ(outcome.observations[0].kind, FaultKind::kMissingFence);
  EXPECT_TRUE(run({}, once({})).observations.empty());
}

}  // namespace
}  // namespace slipstream::emulator::wgmma_test
