// Which registers are still read after a place in the code.
#include "check/analysis/live_slots.h"

#include "check/analysis/evaluate.h"
#include "check/lower/control_flow.h"
#include "check/lower/ptx/lower.h"
#include "code/ptx/module.h"
#include "ptx_kernel.h"

namespace slipstream::check {
namespace {

// How many values matter at the start of each block.
std::vector<size_t> live_counts(const std::string& body) {
  const auto module = slipstream::ptx::Module::parse(ptx_kernel(body), "k.ptx");
  const Function function = from_ptx::lower(*module, module->functions.front());
  const ControlFlow flow = build_control_flow(function);
  const Slice slice(function);
  const LiveSlots live(function, flow, slice);
  std::vector<size_t> counts;
  for (uint32_t block = 0; block < flow.blocks.size(); ++block) {
    counts.push_back(live.at(block).size());
  }
  return counts;
}

TEST(LiveSlots, HoldNothingThatIsWrittenBeforeItIsRead) {
  // Three blocks: up to the branch, the store, the end.
  const std::vector<size_t> counts = live_counts(
      "  setp.eq.u32 %p1, %r2, 0;\n  @%p1 bra END;\n  st.global.u32 [%rd1], %r2;\nEND:\n");
  EXPECT_EQ(counts, (std::vector<size_t>{0, 0, 0}));
}

TEST(LiveSlots, HoldTheCounterOfALoop) {
  const std::vector<size_t> counts = live_counts(
      "  mov.u32 %r3, 0;\nLOOP:\n  add.u32 %r3, %r3, 1;\n"
      "  setp.lt.u32 %p1, %r3, 8;\n  @%p1 bra LOOP;\n");
  ASSERT_EQ(counts.size(), 3U);
  EXPECT_EQ(counts[0], 0U);
  EXPECT_EQ(counts[1], 1U);
  EXPECT_EQ(counts[2], 0U);
}

TEST(LiveSlots, KeepWhatAGuardedInstructionMayLeave) {
  const std::vector<size_t> counts = live_counts(
      "  mov.u32 %r3, 0;\n  setp.eq.u32 %p1, %r1, 0;\n  bra NEXT;\nNEXT:\n"
      "  @%p1 mov.u32 %r3, 5;\n  setp.eq.u32 %p2, %r3, 0;\n  @%p2 bra END;\n"
      "  st.global.u32 [%rd1], %r2;\nEND:\n");
  ASSERT_GE(counts.size(), 2U);
  EXPECT_EQ(counts[1], 2U);  // %p1 and %r3
}

}  // namespace
}  // namespace slipstream::check
