// What compilers write as PTX, and what the checker makes of it.
#include "ptx_kernel.h"

namespace slipstream::check {
namespace {

// As Triton 3.9.0 writes it, less what is not about lines: a .loc before each block of inline assembly
// and another one in it.
constexpr const char* kTritonKernel = R"(.version 8.8
.target sm_90a
.address_size 64
.visible .entry increment_early(
	.param .u64 .ptr .global .align 1 increment_early_param_0,
	.param .u64 .ptr .global .align 1 increment_early_param_1
)
.reqntid 128
{
	.reg .b32 	%r<4>;
	.reg .b64 	%rd<4>;
	.loc	1 7 0
$L__func_begin0:
	.loc	1 7 0

// %bb.0:
	ld.param.b64 	%rd1, [increment_early_param_0];
	ld.param.b64 	%rd2, [increment_early_param_1];
$L__tmp0:
	.loc	1 9 13
	// begin inline asm
	.loc	1 9 13
	mov.u32 %r1, 0x0;
	ld.global.b32 { %r1 }, [ %rd1 + 0 ];

	// end inline asm
	// begin inline asm
	.loc	1 10 13
	ld.global.b32 { %r2 }, [ %rd1 + 512 ];

	// end inline asm
	.loc	1 11 5
	// begin inline asm
	.loc	1 11 5
	griddepcontrol.wait ;

	// end inline asm
	.loc	1 12 5
	add.s32 	%r3, %r1, %r2;
	// begin inline asm
	st.global.b32 [ %rd2 + 0 ], { %r3 };

	// end inline asm
	.loc	1 7 1
	ret;
$L__tmp1:
$L__func_end0:
}
	.file	1 "k.py"
)";

TEST(PtxLower, TakesTritonsLinesFromWithinItsInlineAssembly) {
  const Report report = check_image(kTritonKernel, "k.ptx", {});
  EXPECT_TRUE(report.problems.empty());
  ASSERT_EQ(report.findings.size(), 1U);
  std::vector<std::string> places;
  for (const Place& place : report.findings.front().places) {
    places.push_back(fmt::format("{}:{}", place.file, place.line));
  }
  EXPECT_EQ(places, (std::vector<std::string>{"k.py:9", "k.py:10"}));
}

}  // namespace
}  // namespace slipstream::check
