// Which parameter an address comes from.
#include "check/analysis/origins.h"

#include <algorithm>
#include <ctime>

#include "ptx_kernel.h"

namespace slipstream::check {
namespace {

// The subject of the one early read in `body`.
std::string subject_of_read(const std::string& body) {
  const Report report = check_kernel_text(body + "  griddepcontrol.wait;\n");
  const Finding* finding = find(report, Rule::kReadBeforeWait);
  return finding == nullptr ? "" : finding->subject;
}

TEST(Origins, SurviveIndexArithmetic) {
  EXPECT_EQ(subject_of_read("  mul.wide.u32 %rd5, %r2, 4;\n  add.s64 %rd6, %rd2, %rd5;\n"
                            "  cvta.to.global.u64 %rd7, %rd6;\n  ld.global.u32 %r3, [%rd7+16];\n"),
            "parameter 1");
  EXPECT_EQ(subject_of_read("  mad.wide.u32 %rd5, %r2, 4, %rd1;\n  ld.global.u32 %r3, [%rd5];\n"),
            "parameter 0");
}

TEST(Origins, OfAChoiceAreBoth) {
  EXPECT_EQ(subject_of_read("  setp.eq.u32 %p1, %r1, 0;\n  selp.b64 %rd5, %rd1, %rd2, %p1;\n"
                            "  ld.global.u32 %r3, [%rd5];\n"),
            "parameter 0 or parameter 1");
}

TEST(Origins, DoNotComeFromNumbers) {
  EXPECT_EQ(subject_of_read("  cvt.u64.u32 %rd5, %r1;\n  add.s64 %rd6, %rd1, %rd5;\n"
                            "  ld.global.u32 %r3, [%rd6];\n"),
            "parameter 0");
}

// Each register is a copy of the next one, so that going over the code from its start tells one of them.
std::string copies_from_the_end(int count) {
  std::string body = fmt::format("  .reg .b64 %c<{}>;\nagain:\n", count + 1);
  for (int i = 0; i < count; ++i) body += fmt::format("  mov.b64 %c{}, %c{};\n", i, i + 1);
  return body + fmt::format("  mov.b64 %c{}, %rd2;\n", count) +
         "  mbarrier.arrive.shared.b64 _, [barriers];\n"
         "  mbarrier.arrive.shared.b64 _, [barriers+8];\n"
         "  ld.global.u32 %r3, [%c0];\n  setp.eq.u32 %p1, %r3, 0;\n  @%p1 bra again;\n";
}

TEST(Origins, TakeTimeInProportionToAChainOfCopies) {
  const auto clocks_for = [](int count) {
    const std::string body = copies_from_the_end(count);
    const std::clock_t start = std::clock();
    EXPECT_EQ(subject_of_read(body), "parameter 1");
    return std::clock() - start;
  };
  const std::clock_t few = clocks_for(1000);
  EXPECT_LT(std::min(clocks_for(4000), clocks_for(4000)), 9 * few);
}

TEST(Origins, PassThroughSharedMemory) {
  EXPECT_EQ(subject_of_read("  st.shared.u64 [tile+8], %rd2;\n  ld.shared.u64 %rd5, [tile+8];\n"
                            "  ld.global.u32 %r3, [%rd5+4];\n"),
            "parameter 1");
}

// "error R1" of a kernel that reads its first parameter early and then writes by `write`.
Verdicts verdicts_of_early_read(const std::string& write, const std::string& name = "k") {
  std::string ptx = ptx_kernel("  ld.global.u32 %r3, [%rd1];\n  griddepcontrol.wait;\n" + write);
  const size_t at = ptx.find(".entry k(");
  ptx.replace(at, 9, ".entry " + name + "(");
  return verdicts(check_image(ptx, "k.ptx", {}));
}

TEST(Origins, WhatIsWrittenThroughThemIsNotConstant) {
  EXPECT_EQ(verdicts_of_early_read("  st.global.u32 [%rd1], %r3;\n"), (Verdicts{"error R1"}));
}

TEST(Origins, OfAWriteThroughOneOfTwoPointersNeitherIsCertain) {
  EXPECT_EQ(verdicts_of_early_read("  setp.eq.u32 %p1, %r2, 0;\n"
                                   "  selp.b64 %rd5, %rd1, %rd2, %p1;\n"
                                   "  st.global.u32 [%rd5], %r3;\n"),
            (Verdicts{"warning R1"}));
}

TEST(Origins, ThatMayBeWrittenByTheirTypeAreNotConstant) {
  const std::string write = "  st.global.u32 [%rd2], %r3;\n";
  EXPECT_EQ(verdicts_of_early_read(write, "_Z1kPfS_i"), (Verdicts{"error R1"}));
  EXPECT_EQ(verdicts_of_early_read(write, "_Z1kPKfPfi"), (Verdicts{"warning R1"}));
}

TEST(Origins, WithoutATypeMayBeConstant) {
  EXPECT_EQ(verdicts_of_early_read("  st.global.u32 [%rd2], %r3;\n", "_Z1kPvPfi"),
            (Verdicts{"warning R1"}));
}

TEST(Origins, PassThroughCalls) {
  const std::string module = R"(.version 8.8
.target sm_90a
.address_size 64
.func (.param .b32 result) helper(.param .b64 pointer)
{
  .reg .b32 %r<4>;
  .reg .b64 %rd<4>;
  ld.param.u64 %rd1, [pointer];
  ld.global.u32 %r1, [%rd1];
  st.param.b32 [result], %r1;
  ret;
}
.visible .entry k(.param .u64 a, .param .u64 b)
{
  .reg .b32 %r<4>;
  .reg .b64 %rd<4>;
  ld.param.u64 %rd2, [b];
  {
    .param .b64 param0;
    .param .b32 retval0;
    st.param.b64 [param0], %rd2;
    call.uni (retval0), helper, (param0);
    ld.param.b32 %r1, [retval0];
  }
  griddepcontrol.wait;
  st.global.u32 [%rd2], %r1;
  ret;
}
)";
  const Report report = check_image(module, "call.ptx", {});
  EXPECT_TRUE(report.problems.empty());
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_EQ(report.findings.front().subject, "parameter 1");
}

TEST(Origins, OfAnAddressInTwoRegistersAreThoseOfBoth) {
  Function function;
  function.code = CodeKind::kSass;
  function.register_count = 2;
  FunctionBuilder builder(function);
  const auto point = [&](uint32_t reg, int64_t parameter) {
    builder.add(Action::kNone).pointer_sources = 1;
    builder.destination(reg);
    builder.source({.kind = OperandKind::kParameter, .value = parameter});
  };
  point(0, 0);
  point(1, 0);
  point(1, 8);  // the upper half of another pointer, in the same register elsewhere
  builder.add(Action::kLoad);
  builder.begin_address();
  builder.source(register_operand(0));
  builder.source(register_operand(1));
  builder.end_address();
  EXPECT_EQ(find_origins(function).memory_of(3),
            (std::vector<Origin>{{OriginKind::kParameter, 0}}));
}

TEST(Origins, OfStructMembersAreTheirBytes) {
  const std::string module = R"(.version 8.8
.target sm_90a
.address_size 64
.visible .entry k(.param .align 8 .b8 params[32])
{
  .reg .b32 %r<4>;
  .reg .b64 %rd<8>;
  mov.b64 %rd1, params;
  add.s64 %rd2, %rd1, 24;
  ld.param.u64 %rd3, [%rd2+-8];
  ld.global.u32 %r1, [%rd3];
  griddepcontrol.wait;
  ret;
}
)";
  const Report report = check_image(module, "struct.ptx", {});
  ASSERT_EQ(report.findings.size(), 1U);
  EXPECT_EQ(report.findings.front().subject, "parameter 0, byte 16");
}

}  // namespace
}  // namespace slipstream::check
