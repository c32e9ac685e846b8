// The memory that a CTA finds is as new, whoever had it before.
#include <gtest/gtest.h>

#include "emulator/instructions/lane_program.h"

namespace slipstream::emulator {
namespace {

// Stores ones for each thread if what it finds at both ends of shared memory is ones, and in local memory zero; then
// leaves other values there, by a store, an atomic and an address that says nothing of its space.
constexpr std::string_view kLeavesValues = R"(
  .local .align 4 .b8 stack[20000];
  .shared .align 4 .b8 tile[20000];
  ld.param.u64 %rd1, [out];
  mov.u32 %r1, %tid.x;
  mov.u32 %r2, %ctaid.x;
  mov.u32 %r3, tile;
  mad.lo.u32 %r3, %r1, 4, %r3;
  ld.shared.u32 %r4, [%r3];
  ld.shared.u32 %r5, [%r3+8000];
  ld.shared.u32 %r6, [%r3+16000];
  ld.local.u32 %r7, [stack];
  ld.local.u32 %r13, [stack+17000];
  or.b32 %r7, %r7, %r13;
  and.b32 %r8, %r4, %r5;
  and.b32 %r8, %r8, %r6;
  xor.b32 %r8, %r8, %r7;
  mad.lo.u32 %r9, %r2, 32, %r1;
  mad.wide.u32 %rd2, %r9, 4, %rd1;
  st.global.u32 [%rd2], %r8;
  st.shared.u32 [%r3], %r1;
  atom.shared.and.b32 %r10, [%r3+8000], %r1;
  add.u32 %r11, %r3, 16000;
  cvt.u64.u32 %rd3, %r11;
  cvta.shared.u64 %rd3, %rd3;
  st.u32 [%rd3], %r1;
  mov.u32 %r12, 7;
  st.local.u32 [stack], %r12;
  st.local.u32 [stack+17000], %r12;
  ret;
)";

TEST(CtaMemory, IsAsNewForEveryCta) {
  Settings settings;
  settings.uninitialized_reads = UninitializedReads::kIgnore;
  TestDevice on(module_of(".param .u64 out", kLeavesValues), settings);
  const uint64_t out = on.upload(std::vector<uint32_t>(128));
  for (int launch = 0; launch < 2; ++launch) {
    ASSERT_FALSE(on.run(on.launch({out}, {4, 1, 1})).has_value());
    EXPECT_EQ(on.download<uint32_t>(out, 128), std::vector<uint32_t>(128, 0xffffffffU));
  }
}

TEST(CtaMemory, HasNoValuesOfTheCtaBefore) {
  Settings settings;
  settings.uninitialized_reads = UninitializedReads::kFault;
  settings.threads = 1;
  // CTA 0 writes what it reads, the next one only reads.
  TestDevice on(module_of("", R"(
  .shared .align 4 .b8 tile[64];
  mov.u32 %r1, %ctaid.x;
  setp.eq.u32 %p1, %r1, 0;
  mov.u32 %r2, tile;
  @%p1 st.shared.u32 [%r2], %r1;
  ld.shared.u32 %r3, [%r2];
  ret;
)"),
                settings);
  EXPECT_FALSE(on.run(on.launch({}, {1, 1, 1})).has_value());
  const auto fault = on.run(on.launch({}, {2, 1, 1}));
  ASSERT_TRUE(fault.has_value());
  EXPECT_EQ(fault->kind, FaultKind::kUninitializedRead);
  EXPECT_EQ(fault->cta[0], 1U);
}

// A register that a path may read before it is written is zero, also where the CTA before, or another kernel, had a value
// in its place.
TEST(CtaMemory, HasNoRegistersOfAnotherCta) {
  TestDevice on(module_of(".param .u64 out", R"(
  ld.param.u64 %rd1, [out];
  mov.u32 %r1, %ctaid.x;
  setp.eq.u32 %p1, %r1, 0;
  @%p1 mov.u32 %r2, 7;
  mad.wide.u32 %rd2, %r1, 4, %rd1;
  st.global.u32 [%rd2], %r2;
  ret;
)"));
  const uint64_t out = on.upload(std::vector<uint32_t>(3));
  for (int launch = 0; launch < 2; ++launch) {
    ASSERT_FALSE(on.run(on.launch({out}, {3, 1, 1})).has_value());
    EXPECT_EQ(on.download<uint32_t>(out, 3), (std::vector<uint32_t>{7, 0, 0}));
  }
}

}  // namespace
}  // namespace slipstream::emulator
