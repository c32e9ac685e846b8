#include "emulator/instructions/mbarrier.h"

#include <gtest/gtest.h>

#include "lane_program.h"

namespace slipstream::emulator::mbarrier_test {
namespace {

// One thread runs `body` with the address of an mbarrier in %r1 and leaves its result in %r20.
std::string mbarrier_kernel(std::string_view body) {
  return module_of(".param .u64 out", fmt::format(R"(
    .shared .align 8 .b64 barrier;
    .shared .align 16 .b8 tile[64];
    ld.param.u64 %rd1, [out];
    mov.u32 %r1, barrier;
    mov.u32 %r2, tile;
    mov.u32 %r20, 0;
    {}
    st.global.u32 [%rd1], %r20;
    ret;)",
                                                  body));
}

uint32_t run_thread(std::string_view body) {
  TestDevice test(mbarrier_kernel(body));
  const uint64_t out = test.upload(std::vector<uint32_t>(1));
  const auto fault = test.run(test.launch({out}, {}, {1, 1, 1}));
  EXPECT_FALSE(fault) << fault->report();
  return test.download<uint32_t>(out, 1)[0];
}

Fault fault_of(std::string_view body, uint32_t threads = 1) {
  TestDevice test(mbarrier_kernel(body));
  const auto fault =
      test.run(test.launch({test.upload(std::vector<uint32_t>(1))}, {}, {threads, 1, 1}));
  EXPECT_TRUE(fault);
  return fault.value_or(Fault{});
}

TEST(MbarrierState, SurvivesPacking) {
  for (const int32_t bytes : {0, 1, -1, kMaxBytes, -kMaxBytes}) {
    const MbarrierState state{
        .pending = 3, .expected = kMaxArrivals, .bytes = bytes, .parity = true};
    const MbarrierState back = MbarrierState::unpack(state.pack());
    EXPECT_EQ(back.pending, 3U);
    EXPECT_EQ(back.expected, kMaxArrivals);
    EXPECT_EQ(back.bytes, bytes);
    EXPECT_TRUE(back.parity);
  }
}

TEST(Mbarrier, CompletesAPhaseWithTheLastArrival) {
  EXPECT_EQ(run_thread(R"(
    mbarrier.init.shared::cta.b64 [%r1], 2;
    mbarrier.arrive.shared::cta.b64 %rd3, [%r1];
    mbarrier.test_wait.parity.shared::cta.b64 %p1, [%r1], 0;
    selp.u32 %r3, 1, 0, %p1;
    mbarrier.arrive.shared::cta.b64 %rd4, [%r1];
    mbarrier.test_wait.shared::cta.b64 %p2, [%r1], %rd4;
    selp.u32 %r4, 2, 0, %p2;
    mbarrier.pending_count.b64 %r5, %rd4;
    shl.b32 %r5, %r5, 4;
    or.b32 %r20, %r3, %r4;
    or.b32 %r20, %r20, %r5;
  )"),
            0x12U);
}

TEST(Mbarrier, WaitsForAnnouncedBytes) {
  EXPECT_EQ(run_thread(R"(
    mbarrier.init.shared::cta.b64 [%r1], 1;
    mbarrier.arrive.expect_tx.shared::cta.b64 %rd3, [%r1], 64;
    mbarrier.test_wait.parity.shared::cta.b64 %p1, [%r1], 0;
    selp.u32 %r3, 1, 0, %p1;
    mbarrier.complete_tx.relaxed.cta.shared::cta.b64 [%r1], 64;
    mbarrier.try_wait.parity.shared::cta.b64 %p2, [%r1], 0;
    selp.u32 %r4, 2, 0, %p2;
    or.b32 %r20, %r3, %r4;
  )"),
            2U);
}

TEST(Mbarrier, ExpectsFewerAfterADrop) {
  EXPECT_EQ(run_thread(R"(
    mbarrier.init.shared::cta.b64 [%r1], 2;
    mbarrier.arrive_drop.shared::cta.b64 %rd3, [%r1];
    mbarrier.arrive.shared::cta.b64 %rd3, [%r1];
    mbarrier.arrive.shared::cta.b64 %rd3, [%r1];
    mbarrier.test_wait.parity.shared::cta.b64 %p1, [%r1], 1;
    selp.u32 %r20, 1, 0, %p1;
  )"),
            1U);
}

TEST(Mbarrier, IsCompletedByABulkCopy) {
  TestDevice test(module_of(".param .u64 in, .param .u64 out", R"(
    .shared .align 16 .b8 tile[64];
    .shared .align 8 .b64 barrier;
    ld.param.u64 %rd1, [in];
    ld.param.u64 %rd2, [out];
    mov.u32 %r1, barrier;
    mov.u32 %r2, tile;
    mbarrier.init.shared::cta.b64 [%r1], 1;
    mbarrier.arrive.expect_tx.shared::cta.b64 %rd3, [%r1], 32;
    cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%r2+16], [%rd1+16], 32, [%r1];
  again:
    mbarrier.try_wait.parity.shared::cta.b64 %p1, [%r1], 0;
    @!%p1 bra again;
    cp.async.bulk.global.shared::cta.bulk_group [%rd2], [%r2+16], 32;
    cp.async.bulk.commit_group;
    cp.async.bulk.wait_group 0;
    ret;)"));
  std::vector<uint32_t> values(16);
  for (uint32_t i = 0; i < values.size(); ++i) {
    values[i] = 100 + i;
  }
  const uint64_t out = test.upload(std::vector<uint32_t>(8));
  const auto fault = test.run(test.launch({test.upload(values), out}, {}, {1, 1, 1}));
  EXPECT_FALSE(fault) << fault->report();
  EXPECT_EQ(test.download<uint32_t>(out, 8),
            std::vector<uint32_t>(values.begin() + 4, values.begin() + 12));
}

TEST(Mbarrier, MustBeInitialized) {
  const Fault fault = fault_of(
      "mov.b64 %rd3, 0; st.shared.b64 [%r1], %rd3; mbarrier.arrive.shared::cta.b64 %rd3, [%r1];");
  EXPECT_EQ(fault.kind, FaultKind::kIllegalInstruction);
  EXPECT_NE(fault.message.find("not initialized"), std::string::npos) << fault.message;
}

TEST(Mbarrier, RejectsOneArrivalTooMany) {
  EXPECT_EQ(fault_of("mbarrier.init.shared::cta.b64 [%r1], 1;"
                     "mbarrier.arrive.noComplete.shared::cta.b64 %rd3, [%r1], 2;")
                .kind,
            FaultKind::kIllegalInstruction);
}

TEST(Mbarrier, ReportsADeadlockWhenNobodyArrives) {
  const Fault fault = fault_of(
      "mbarrier.init.shared::cta.b64 [%r1], 2; mbarrier.arrive.shared::cta.b64 %rd3, [%r1];\n"
      "again: mbarrier.try_wait.parity.shared::cta.b64 %p1, [%r1], 0; @!%p1 bra again;");
  EXPECT_EQ(fault.kind, FaultKind::kDeadlock);
}

TEST(Mbarrier, MustBeAligned) {
  EXPECT_EQ(fault_of("mbarrier.init.shared::cta.b64 [%r1+4], 1;").kind, FaultKind::kMisaligned);
}

}  // namespace
}  // namespace slipstream::emulator::mbarrier_test
