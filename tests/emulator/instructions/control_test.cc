#include <gtest/gtest.h>

#include "lane_program.h"

namespace slipstream::emulator::control_test {
namespace {

uint64_t sum_of(const std::array<uint64_t, 32>& lanes) {
  uint64_t sum = 0;
  for (const uint64_t lane : lanes) {
    sum += lane;
  }
  return sum;
}

TEST(Control, LoopsADifferentNumberOfTimesPerLane) {
  const auto lanes = run_lanes(R"(
    mov.u32 %r1, 0;
    mov.u32 %r2, 0;
  loop:
    setp.ge.u32 %p1, %r1, %r0;
    @%p1 bra done;
    add.u32 %r2, %r2, %r1;
    add.u32 %r1, %r1, 1;
    bra loop;
  done:
    cvt.u64.u32 %rd0, %r2;
  )");
  EXPECT_EQ(lanes[0], 0U);
  EXPECT_EQ(lanes[10], 45U);
  EXPECT_EQ(lanes[31], 465U);
}
// Lanes wait at the end of each loop for those that go on; if they did not, the next loop would run more than once.
TEST(Control, KeepsLanesTogetherOverLoopsOfUnequalLength) {
  std::string body = "mov.u32 %r0, %laneid; and.b32 %r1, %r0, 3; mul.lo.u32 %r1, %r1, 3000;";
  constexpr uint64_t kLoops = 3;
  for (uint64_t i = 0; i < kLoops; ++i) {
    body += fmt::format(R"(
    mov.u32 %r3, 0;
  loop{0}:
    setp.ge.u32 %p1, %r3, %r1;
    @%p1 bra done{0};
    add.u32 %r3, %r3, 1;
    bra loop{0};
  done{0}:
)",
                        i);
  }
  TestDevice on(module_of("", body + "ret;"));
  ASSERT_FALSE(on.run(on.launch({})).has_value());
  constexpr uint64_t kLongestLane = kLoops * 9000 * 4;
  EXPECT_LE(on.device.statistics().warp_instructions, kLongestLane * 11 / 10);
}
TEST(Control, BringsLanesTogetherBehindABranch) {
  const auto lanes = run_lanes(R"(
    setp.lt.u32 %p1, %r0, 10;
    @%p1 bra low;
    mov.u32 %r1, 2;
    bra join;
  low:
    mov.u32 %r1, 1;
  join:
    activemask.b32 %r2;
    mov.b64 %rd0, {%r1, %r2};
  )");
  EXPECT_EQ(lanes[0], 0xffffffff00000001ULL);
  EXPECT_EQ(lanes[31], 0xffffffff00000002ULL);
}
TEST(Control, BranchesThroughATable) {
  const auto lanes = run_lanes(R"(
    rem.u32 %r1, %r0, 3;
  targets: .branchtargets zero, one, two;
    brx.idx %r1, targets;
  zero:
    mov.u64 %rd0, 100;
    bra end;
  one:
    mov.u64 %rd0, 101;
    bra end;
  two:
    mov.u64 %rd0, 102;
  end:
  )");
  EXPECT_EQ(lanes[3], 100U);
  EXPECT_EQ(lanes[4], 101U);
  EXPECT_EQ(lanes[5], 102U);
}
TEST(Control, LetsASpinningLaneWaitForAnother) {
  // Lane 0 spins at a lower place in the program than where lane 1 sets the flag.
  const auto lanes = run_lanes(R"(
    .shared .align 4 .b8 flag[4];
    st.shared.u32 [flag], 0;
    bar.warp.sync 0xffffffff;
    setp.ne.u32 %p1, %r0, 0;
    @%p1 bra set;
  spin:
    ld.volatile.shared.u32 %r1, [flag];
    setp.eq.u32 %p2, %r1, 0;
    @%p2 bra spin;
    bra done;
  set:
    st.volatile.shared.u32 [flag], 1;
  done:
    mov.u64 %rd0, 1;
  )");
  EXPECT_EQ(sum_of(lanes), 32U);
}

constexpr std::string_view kFunctions = R"(.version 9.0
.target sm_90a
.address_size 64
.func (.param .b32 result) square(.param .b32 value) {
  .reg .b32 %r<4>;
  ld.param.u32 %r1, [value];
  mul.lo.u32 %r1, %r1, %r1;
  st.param.b32 [result], %r1;
  ret;
}
.func (.param .b32 result) triangle(.param .b32 value) {
  .reg .pred %p<2>;
  .reg .b32 %r<8>;
  .reg .b64 %rd<4>;
  .local .align 4 .b8 frame[8];
  ld.param.u32 %r1, [value];
  mov.u32 %r4, 0;
  setp.eq.u32 %p1, %r1, 0;
  @%p1 bra done;
  st.local.u32 [frame], %r1;
  sub.u32 %r2, %r1, 1;
  { .param .b32 argument; .param .b32 answer;
    st.param.b32 [argument], %r2;
    call.uni (answer), triangle, (argument);
    ld.param.b32 %r3, [answer]; }
  ld.local.u32 %r1, [frame];
  add.u32 %r4, %r3, %r1;
done:
  st.param.b32 [result], %r4;
  ret;
}
.visible .entry direct(.param .u64 out) {
  .reg .b32 %r<8>;
  .reg .b64 %rd<8>;
  ld.param.u64 %rd1, [out];
  mov.u32 %r1, %laneid;
  { .param .b32 a; .param .b32 b;
    st.param.b32 [a], %r1;
    call (b), triangle, (a);
    ld.param.b32 %r2, [b]; }
  mul.wide.u32 %rd2, %r1, 4;
  add.s64 %rd1, %rd1, %rd2;
  st.global.u32 [%rd1], %r2;
  ret;
}
.visible .entry indirect(.param .u64 out) {
  .reg .pred %p<2>;
  .reg .b32 %r<8>;
  .reg .b64 %rd<8>;
  ld.param.u64 %rd1, [out];
  mov.u32 %r1, %laneid;
  setp.lt.u32 %p1, %r1, 16;
  mov.u64 %rd3, square;
  mov.u64 %rd4, triangle;
  selp.b64 %rd5, %rd3, %rd4, %p1;
  { .param .b32 a; .param .b32 b;
    st.param.b32 [a], %r1;
    shape: .callprototype (.param .b32 _) _ (.param .b32 _);
    call (b), %rd5, (a), shape;
    ld.param.b32 %r2, [b]; }
  mul.wide.u32 %rd2, %r1, 4;
  add.s64 %rd1, %rd1, %rd2;
  st.global.u32 [%rd1], %r2;
  ret;
}
)";

TEST(Call, RecursesWithLocalVariables) {
  TestDevice test{std::string(kFunctions)};
  const uint64_t out = test.upload(std::vector<uint32_t>(32));
  const auto fault = test.run(test.launch({out}, {}, {32, 1, 1}, "direct"));
  ASSERT_FALSE(fault) << fault->report();
  const auto result = test.download<uint32_t>(out, 32);
  EXPECT_EQ(result[5], 15U);
  EXPECT_EQ(result[31], 496U);
}
TEST(Call, CallsADifferentFunctionPerLane) {
  TestDevice test{std::string(kFunctions)};
  const uint64_t out = test.upload(std::vector<uint32_t>(32));
  const auto fault = test.run(test.launch({out}, {}, {32, 1, 1}, "indirect"));
  ASSERT_FALSE(fault) << fault->report();
  const auto result = test.download<uint32_t>(out, 32);
  EXPECT_EQ(result[5], 25U);
  EXPECT_EQ(result[20], 210U);
}
TEST(Call, PrintsWithTheLayoutOfCArguments) {
  std::string printed;
  Settings settings;
  settings.print = [&](std::string_view text) { printed += text; };
  TestDevice test(R"(.version 9.0
.target sm_90a
.address_size 64
.extern .func (.param .b32 status) vprintf(.param .b64 format, .param .b64 arguments);
.global .align 1 .b8 text[15] = {37, 100, 32, 37, 46, 49, 102, 32, 37, 108, 108, 117, 37, 10, 0};
.visible .entry kernel() {
  .local .align 8 .b8 depot[24];
  .reg .b32 %r<4>;
  .reg .b64 %rd<8>;
  mov.u64 %rd1, depot;
  cvta.local.u64 %rd2, %rd1;
  mov.u32 %r1, -7;
  st.local.u32 [%rd1], %r1;
  mov.u64 %rd3, 0d4004000000000000;
  st.local.u64 [%rd1+8], %rd3;
  mov.u64 %rd4, 12345678901;
  st.local.u64 [%rd1+16], %rd4;
  mov.u64 %rd5, text;
  cvta.global.u64 %rd6, %rd5;
  { .param .b64 a; .param .b64 b; .param .b32 status;
    st.param.b64 [a], %rd6;
    st.param.b64 [b], %rd2;
    call.uni (status), vprintf, (a, b);
    ld.param.b32 %r2, [status]; }
  ret;
})",
                  settings);
  const auto fault = test.run(test.launch({}, {}, {1, 1, 1}));
  ASSERT_FALSE(fault) << fault->report();
  EXPECT_EQ(printed, "-7 2.5 12345678901%\n");
}

// The upper half of the warp comes to the call long after the lower one.
TEST(Call, BringsLanesTogetherThatCallAtDifferentTimes) {
  TestDevice test(R"(.version 9.0
.target sm_90a
.address_size 64
.func (.param .b32 result) neighbor(.param .b32 value) {
  .reg .pred %p<2>;
  .reg .b32 %r<4>;
  ld.param.u32 %r1, [value];
  shfl.sync.bfly.b32 %r2|%p1, %r1, 16, 31, -1;
  st.param.b32 [result], %r2;
  ret;
}
.visible .entry kernel(.param .u64 out) {
  .reg .pred %p<4>;
  .reg .b32 %r<8>;
  .reg .b64 %rd<8>;
  ld.param.u64 %rd1, [out];
  mov.u32 %r1, %laneid;
  setp.lt.u32 %p1, %r1, 16;
  mov.u32 %r2, 40000;
  @%p1 bra together;
late:
  sub.u32 %r2, %r2, 1;
  setp.ne.u32 %p2, %r2, 0;
  @%p2 bra late;
together:
  { .param .b32 a; .param .b32 b;
    st.param.b32 [a], %r1;
    call (b), neighbor, (a);
    ld.param.b32 %r3, [b]; }
  mul.wide.u32 %rd2, %r1, 4;
  add.u64 %rd1, %rd1, %rd2;
  st.global.u32 [%rd1], %r3;
  ret;
})");
  const uint64_t out = test.upload(std::vector<uint32_t>(32));
  const auto fault = test.run(test.launch({out}, {}, {32, 1, 1}));
  ASSERT_FALSE(fault) << fault->report();
  const auto values = test.download<uint32_t>(out, 32);
  for (uint32_t lane = 0; lane < 32; ++lane) EXPECT_EQ(values[lane], lane ^ 16U);
}

TEST(Control, SaysThatKernelsCannotLaunchKernels) {
  std::string text = module_of("", R"(
    .param .b64 block;
    call (block), __cudaCDP2GetParameterBufferV2, (block);
    ret;)");
  text.insert(text.find(".visible"),
              ".extern .func (.param .b64 result) __cudaCDP2GetParameterBufferV2 (.param .b64 "
              "function);\n");
  TestDevice test(text);
  try {
    test.device.submit(test.launch({}));
    FAIL() << "the launch was taken";
  } catch (const LaunchError& error) {
    EXPECT_NE(std::string_view(error.what()).find("dynamic parallelism"), std::string_view::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace slipstream::emulator::control_test
