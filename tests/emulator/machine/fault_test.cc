// One broken kernel for each fault, with the line it is at; and the repaired kernel, silent.
#include <gtest/gtest.h>

#include "emulator/instructions/lane_program.h"

namespace slipstream::emulator::fault_test {
namespace {

constexpr std::string_view kParameters = ".param .u64 buffer, .param .u64 other";

std::string module_with(std::string_view body) {
  return module_of(kParameters, fmt::format("ld.param.u64 %rd1, [buffer];\n"
                                            "ld.param.u64 %rd2, [other];\n"
                                            "mov.u32 %r1, %tid.x;\n{}\nret;",
                                            body)) +
         ".file 1 \"kernel.cu\"\n";
}

struct Outcome {
  std::optional<Fault> fault;
  uint64_t buffer = 0;
};

Outcome run(std::string_view body, Dim3 block = {32, 1, 1}, Settings settings = {}) {
  TestDevice test(module_with(body), std::move(settings));
  Outcome result;
  result.buffer = test.upload(std::vector<uint32_t>(32), "cudaMalloc #1");
  const uint64_t other = test.upload(std::vector<uint32_t>(32), "cudaMalloc #2");
  result.fault = test.run(test.launch({result.buffer, other}, {}, block));
  return result;
}

TEST(Fault, NamesTheAccessPastTheEndOfAnAllocation) {
  const Outcome result = run(R"(
    mul.wide.u32 %rd3, %r1, 4;
    add.s64 %rd3, %rd1, %rd3;
    .loc 1 10 3
    ld.global.u32 %r2, [%rd3+4];
  )");
  ASSERT_TRUE(result.fault);
  EXPECT_EQ(result.fault->kind, FaultKind::kOutOfBounds);
  EXPECT_EQ(result.fault->error(), CudaError::kIllegalAddress);
  EXPECT_EQ(result.fault->thread[0], 31U);
  EXPECT_EQ(result.fault->kernel, "kernel");
  EXPECT_EQ(result.fault->instruction, "ld.global.u32 %r2, [%rd3+4];");
  EXPECT_EQ(result.fault->location, "kernel.cu:10:3");
  EXPECT_NE(result.fault->report().find("0 bytes past the end of cudaMalloc #1 (128 bytes"),
            std::string::npos)
      << result.fault->report();
}
TEST(Fault, IsSilentForTheRepairedKernel) {
  EXPECT_FALSE(run(R"(
    mul.wide.u32 %rd3, %r1, 4;
    add.s64 %rd3, %rd1, %rd3;
    ld.global.u32 %r2, [%rd3];
  )")
                   .fault);
}
TEST(Fault, FindsANullPointer) {
  const Outcome result = run("mov.u64 %rd3, 0; st.global.u32 [%rd3+16], %r1;");
  ASSERT_TRUE(result.fault);
  EXPECT_NE(result.fault->message.find("null pointer"), std::string::npos);
}
TEST(Fault, FindsAMisalignedAccess) {
  const Outcome result = run("ld.global.v2.u32 {%r2, %r3}, [%rd1+4];");
  ASSERT_TRUE(result.fault);
  EXPECT_EQ(result.fault->kind, FaultKind::kMisaligned);
  EXPECT_EQ(result.fault->error(), CudaError::kMisalignedAddress);
}
TEST(Fault, FindsAccessesOutsideSharedMemory) {
  const Outcome result = run(R"(
    .shared .align 4 .b8 tile[64];
    mov.u32 %r2, tile;
    shl.b32 %r3, %r1, 2;
    add.u32 %r2, %r2, %r3;
    st.shared.u32 [%r2], %r1;
  )");
  ASSERT_TRUE(result.fault);
  EXPECT_EQ(result.fault->kind, FaultKind::kOutOfBounds);
  EXPECT_EQ(result.fault->thread[0], 16U);
  EXPECT_EQ(result.fault->allocation, "0 bytes past the end of shared variable tile (64 bytes)");
}
TEST(Fault, NamesTheSharedVariableOfAMisalignedAccess) {
  const Outcome result = run(R"(
    .shared .align 4 .b8 first[64];
    .shared .align 4 .b8 second[64];
    mov.u32 %r2, first;
    mov.u32 %r3, second;
    st.shared.u32 [%r2], %r1;
    st.shared.u32 [%r3+6], %r1;
  )");
  ASSERT_TRUE(result.fault);
  EXPECT_EQ(result.fault->allocation, "byte 6 of shared variable second (64 bytes)");
}
TEST(Fault, NamesDynamicSharedMemory) {
  TestDevice test(module_with("mov.u32 %r2, dynamic_shared; st.shared.u32 [%r2+32], %r1;"));
  KernelLaunch launch = test.launch({test.upload(std::vector<uint32_t>(32)), 0});
  launch.dynamic_shared_bytes = 32;
  const auto fault = test.run(std::move(launch));
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->allocation, "0 bytes past the end of dynamic shared memory (32 bytes)");
}
TEST(Fault, SaysThatLocalMemoryIsMeant) {
  const Outcome result = run(R"(
    .local .align 4 .b8 array[16];
    mov.u64 %rd3, array;
    st.local.u32 [%rd3+16], %r1;
  )");
  ASSERT_TRUE(result.fault);
  EXPECT_EQ(result.fault->allocation, "the thread's local memory");
}
TEST(Fault, NamesAVariableThatHasTheNameOfAType) {
  TestDevice test(
      ".version 9.0\n.target sm_90a\n.address_size 64\n.const .align 4 .b8 c[4];\n"
      ".visible .entry kernel() { .reg .b32 %r; .reg .b64 %a; mov.u64 %a, c; ld.const.u32 %r, "
      "[%a+4]; }");
  const auto fault = test.run(test.launch({}));
  ASSERT_TRUE(fault);
  EXPECT_NE(fault->message.find("past the end of variable c (4 bytes"), std::string::npos)
      << fault->message;
}
TEST(Fault, TellsUseAfterFreeFromOutOfBounds) {
  TestDevice test(module_with("st.global.u32 [%rd2], %r1;"));
  const uint64_t buffer = test.upload(std::vector<uint32_t>(32));
  const uint64_t other = test.upload(std::vector<uint32_t>(32), "cudaMalloc #2");
  ASSERT_TRUE(test.device.free(other));
  const auto fault = test.run(test.launch({buffer, other}));
  ASSERT_TRUE(fault);
  EXPECT_EQ(fault->kind, FaultKind::kUseAfterFree);
  EXPECT_NE(fault->message.find("freed cudaMalloc #2"), std::string::npos) << fault->message;
}
TEST(Fault, IsSticky) {
  TestDevice test(module_with("st.global.u32 [%rd1+4096], %r1;"));
  const uint64_t buffer = test.upload(std::vector<uint32_t>(32));
  ASSERT_TRUE(test.run(test.launch({buffer, buffer})));
  test.device.submit([] {}, {});
  ASSERT_TRUE(test.device.run_all());
  EXPECT_EQ(test.device.fault()->kind, FaultKind::kOutOfBounds);
}

TEST(Fault, ReportsReadsOfGlobalMemoryThatNobodyWrote) {
  std::vector<Fault> found;
  Settings settings;
  settings.uninitialized_reads = UninitializedReads::kReport;
  settings.report_observation = [&](const Fault& fault) { found.push_back(fault); };
  TestDevice test(module_with("ld.global.u32 %r2, [%rd1]; ld.global.u32 %r3, [%rd2];"), settings);
  const uint64_t fresh = test.device.allocate(128, MemoryKind::kDevice, "cudaMalloc #1");
  const uint64_t written = test.upload(std::vector<uint32_t>(32));
  EXPECT_FALSE(test.run(test.launch({fresh, written}, {8, 1, 1})));
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].kind, FaultKind::kUninitializedRead);
  EXPECT_EQ(found[0].instruction, "ld.global.u32 %r2, [%rd1];");
}
TEST(Fault, AcceptsReadsOfWhatTheKernelWrote) {
  std::vector<Fault> found;
  Settings settings;
  settings.uninitialized_reads = UninitializedReads::kReport;
  settings.report_observation = [&](const Fault& fault) { found.push_back(fault); };
  TestDevice test(module_with(R"(
    mul.wide.u32 %rd3, %r1, 4;
    add.s64 %rd3, %rd1, %rd3;
    st.global.u32 [%rd3], %r1;
    ld.global.u32 %r2, [%rd3];)"),
                  settings);
  const uint64_t fresh = test.device.allocate(128, MemoryKind::kDevice, "cudaMalloc #1");
  EXPECT_FALSE(test.run(test.launch({fresh, fresh})));
  EXPECT_TRUE(found.empty());
}
TEST(Fault, StopsAtReadsOfUnwrittenSharedMemoryIfAsked) {
  Settings settings;
  settings.uninitialized_reads = UninitializedReads::kFault;
  const Outcome result =
      run(".shared .align 4 .b8 cell[4]; ld.shared.u32 %r2, [cell];", {32, 1, 1}, settings);
  ASSERT_TRUE(result.fault);
  EXPECT_EQ(result.fault->kind, FaultKind::kUninitializedRead);
}

TEST(Fault, ExplainsADeadlockAtABarrier) {
  const Outcome result = run(R"(
    setp.lt.u32 %p1, %r1, 32;
    @%p1 bra first;
    bar.sync 1;
    bra end;
  first:
    bar.sync 2;
  end:
  )",
                             {64, 1, 1});
  ASSERT_TRUE(result.fault);
  EXPECT_EQ(result.fault->kind, FaultKind::kDeadlock);
  const std::string report = result.fault->report();
  EXPECT_NE(report.find("warps 0 wait for barrier 2"), std::string::npos) << report;
  EXPECT_NE(report.find("warps 1 wait for barrier 1"), std::string::npos) << report;
}
TEST(Fault, FindsADivergentBarrier) {
  const Outcome result = run(R"(
    setp.lt.u32 %p1, %r1, 7;
    @%p1 bra first;
    bar.sync 0;
    bra end;
  first:
    bar.sync 0;
  end:
  )");
  ASSERT_TRUE(result.fault);
  EXPECT_EQ(result.fault->kind, FaultKind::kDivergentBarrier);
}
TEST(Fault, FindsAShuffleWhoseLanesNeverMeet) {
  const Outcome result = run(R"(
    setp.lt.u32 %p1, %r1, 7;
    @%p1 bra first;
    shfl.sync.idx.b32 %r2, %r1, 0, 31, 0xffffffff;
    bra end;
  first:
    shfl.sync.idx.b32 %r2, %r1, 1, 31, 0xffffffff;
  end:
  )");
  ASSERT_TRUE(result.fault);
  EXPECT_EQ(result.fault->kind, FaultKind::kDeadlock);
  EXPECT_EQ(result.fault->others.size(), 2U);
}
TEST(Fault, RejectsAMemberMaskWithoutTheLane) {
  const Outcome result = run("vote.sync.ballot.b32 %r2, 1, 0x0000ffff;");
  ASSERT_TRUE(result.fault);
  EXPECT_EQ(result.fault->kind, FaultKind::kIllegalInstruction);
  EXPECT_EQ(result.fault->thread[0], 16U);
}
TEST(Fault, TakesBreakpointsForTraps) {
  const Outcome result = run("setp.eq.u32 %p1, %r1, 5; @%p1 brkpt;");
  ASSERT_TRUE(result.fault);
  EXPECT_EQ(result.fault->kind, FaultKind::kTrap);
  EXPECT_EQ(result.fault->message, "the kernel executed brkpt, and there is no debugger");
}

TEST(Fault, ReportsTraps) {
  const Outcome result = run("setp.eq.u32 %p1, %r1, 5; @%p1 trap;");
  ASSERT_TRUE(result.fault);
  EXPECT_EQ(result.fault->kind, FaultKind::kTrap);
  EXPECT_EQ(result.fault->error(), CudaError::kLaunchFailure);
  EXPECT_EQ(result.fault->thread[0], 5U);
}
TEST(Fault, ReportsTheFirstCtaOnAnyNumberOfThreads) {
  for (const uint32_t threads : {1U, 4U}) {
    Settings settings;
    settings.threads = threads;
    TestDevice test(module_with("mov.u32 %r2, %ctaid.x; setp.gt.u32 %p1, %r2, 2; @%p1 trap;"),
                    settings);
    const uint64_t buffer = test.upload(std::vector<uint32_t>(32));
    const auto fault = test.run(test.launch({buffer, buffer}, {64, 1, 1}));
    ASSERT_TRUE(fault);
    EXPECT_EQ(fault->cta[0], 3U);
  }
}

}  // namespace
}  // namespace slipstream::emulator::fault_test
