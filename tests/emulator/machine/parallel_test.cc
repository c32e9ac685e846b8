// The same result on any number of host threads, also where it depends on the order of CTAs.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <fstream>

#include "emulator/instructions/lane_program.h"

namespace slipstream::emulator {
namespace {

constexpr std::string_view kOrderedSum = R"(
  ld.param.u64 %rd1, [sum];
  ld.param.u64 %rd2, [order];
  mov.u32 %r1, %ctaid.x;
  // Work that differs between CTAs, so that they would arrive in another order.
  xor.b32 %r2, %r1, 63;
  mul.lo.u32 %r2, %r2, 97;
work:
  sub.u32 %r2, %r2, 1;
  setp.gt.s32 %p1, %r2, 0;
  @%p1 bra work;
  cvt.rn.f32.u32 %f1, %r1;
  add.f32 %f1, %f1, 0f3DCCCCCD;
  rcp.rn.f32 %f1, %f1;
  atom.global.add.f32 %f2, [%rd1], %f1;
  atom.global.add.u32 %r3, [%rd1+4], 1;
  mul.wide.u32 %rd3, %r3, 4;
  add.s64 %rd3, %rd2, %rd3;
  st.global.u32 [%rd3], %r1;
  ret;)";

std::vector<uint32_t> run_ordered_sum(uint32_t threads) {
  Settings settings;
  settings.threads = threads;
  TestDevice test(module_of(".param .u64 sum, .param .u64 order", kOrderedSum), settings);
  const uint64_t sum = test.upload(std::vector<uint32_t>(2));
  const uint64_t order = test.upload(std::vector<uint32_t>(64));
  const auto fault = test.run(test.launch({sum, order}, {64, 1, 1}, {1, 1, 1}));
  EXPECT_FALSE(fault);
  auto result = test.download<uint32_t>(order, 64);
  result.push_back(test.download<uint32_t>(sum, 1)[0]);
  return result;
}

TEST(Parallel, GivesTheSameBitsOnAnyNumberOfThreads) {
  const auto alone = run_ordered_sum(1);
  for (int repeat = 0; repeat < 5; ++repeat) {
    EXPECT_EQ(run_ordered_sum(2), alone);
    EXPECT_EQ(run_ordered_sum(5), alone);
  }
}

// A CTA draws a number, works, and draws another.
constexpr std::string_view kTwoTickets = R"(
  ld.param.u64 %rd1, [counter];
  ld.param.u64 %rd2, [out];
  mov.u32 %r1, %tid.x;
  setp.ne.u32 %p1, %r1, 0;
  @!%p1 atom.global.add.u32 %r3, [%rd1], 1;
  bar.sync 0;
  mov.u32 %r2, 2000;
work:
  sub.u32 %r2, %r2, 1;
  setp.gt.s32 %p2, %r2, 0;
  @%p2 bra work;
  bar.sync 0;
  @%p1 ret;
  atom.global.add.u32 %r4, [%rd1], 1;
  mov.u32 %r5, %ctaid.x;
  mul.wide.u32 %rd3, %r5, 8;
  add.s64 %rd2, %rd2, %rd3;
  st.global.v2.u32 [%rd2], {%r3, %r4};
  ret;)";

TEST(Parallel, LetsOtherCtasDrawTicketsWhileOneWorks) {
  std::vector<uint32_t> drawn;
  for (const uint32_t threads : {1U, 2U, 5U}) {
    Settings settings;
    settings.threads = threads;
    TestDevice test(module_of(".param .u64 counter, .param .u64 out", kTwoTickets), settings);
    const uint64_t counter = test.upload(std::vector<uint32_t>(1));
    const uint64_t out = test.upload(std::vector<uint32_t>(2 * 40));
    ASSERT_FALSE(test.run(test.launch({counter, out}, {40, 1, 1}, {64, 1, 1})));
    const auto now = test.download<uint32_t>(out, 2 * 40);
    EXPECT_LT(now[2], now[1]) << "the second CTA begins before the first has ended";
    if (drawn.empty()) drawn = now;
    EXPECT_EQ(now, drawn);
  }
}

// In a process of its own: no memory for the stack of one more thread.
TEST(Parallel, GoesOnWithFewerThreadsWhereTheSystemHasNoMore) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "a sanitizer needs the address space";
#endif
  const auto run_without_threads = [] {
    Settings settings;
    settings.threads = 64;
    TestDevice test(module_of(".param .u64 sum, .param .u64 order", kOrderedSum), settings);
    const uint64_t sum = test.upload(std::vector<uint32_t>(2));
    const uint64_t order = test.upload(std::vector<uint32_t>(64));
    uint64_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    const rlim_t most = pages * sysconf(_SC_PAGESIZE) + (4 << 20);
    const rlimit limit{most, most};
    setrlimit(RLIMIT_AS, &limit);
    const auto fault = test.run(test.launch({sum, order}, {64, 1, 1}, {1, 1, 1}));
    _exit(fault ? 1 : 42);
  };
  EXPECT_EXIT(run_without_threads(), testing::ExitedWithCode(42), "");
}

// Every CTA arrives at a counter in global memory and spins until all have.
constexpr std::string_view kGridBarrier = R"(
  ld.param.u64 %rd1, [counter];
  ld.param.u64 %rd2, [out];
  mov.u32 %r1, %ctaid.x;
  mov.u32 %r2, %nctaid.x;
  shl.b32 %r2, %r2, 5;
  fence.acq_rel.gpu;
  atom.global.add.u32 %r3, [%rd1], 1;
spin:
  ld.acquire.gpu.global.u32 %r4, [%rd1];
  setp.lt.u32 %p1, %r4, %r2;
  @%p1 bra spin;
  mul.wide.u32 %rd3, %r1, 4;
  add.s64 %rd2, %rd2, %rd3;
  st.global.u32 [%rd2], %r4;
  ret;)";

TEST(Parallel, RunsCtasThatWaitForEachOther) {
  for (const uint32_t threads : {1U, 3U}) {
    Settings settings;
    settings.threads = threads;
    TestDevice test(module_of(".param .u64 counter, .param .u64 out", kGridBarrier), settings);
    const uint64_t counter = test.upload(std::vector<uint32_t>(1));
    const uint64_t out = test.upload(std::vector<uint32_t>(132));
    const auto fault = test.run(test.launch({counter, out}, {132, 1, 1}, {32, 1, 1}));
    ASSERT_FALSE(fault);
    EXPECT_EQ(test.download<uint32_t>(out, 132), std::vector<uint32_t>(132, 132 * 32));
  }
}

TEST(Parallel, RunsMoreCtasThanAreResident) {
  TestDevice test(module_of(".param .u64 sum", R"(
    ld.param.u64 %rd1, [sum];
    red.global.add.u32 [%rd1], 1;
    ret;)"));
  const uint64_t sum = test.upload(std::vector<uint32_t>(1));
  ASSERT_FALSE(test.run(test.launch({sum}, {10000, 1, 1}, {1, 1, 1})));
  EXPECT_EQ(test.download<uint32_t>(sum, 1)[0], 10000U);
  EXPECT_EQ(test.device.statistics().ctas, 10000U);
}

}  // namespace
}  // namespace slipstream::emulator
