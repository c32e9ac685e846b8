#include <gtest/gtest.h>

#include <vector>

#include "emulator/decoder/draft.h"

namespace slipstream::emulator {
namespace {

Draft draft(std::vector<uint32_t> written, std::vector<uint32_t> read) {
  Draft result;
  for (const uint32_t r : written) {
    result.references.push_back({r, false, true});
  }
  for (const uint32_t r : read) {
    result.references.push_back({r, true, false});
  }
  return result;
}

// The offsets of `count` 32-bit registers; each draft is one PTX instruction.
std::vector<uint32_t> place(const std::vector<Draft>& drafts, size_t count) {
  std::vector<uint32_t> first;
  for (uint32_t i = 0; i <= drafts.size(); ++i) {
    first.push_back(i);
  }
  const std::vector<RegisterClass> classes(count, RegisterClass::k32);
  std::vector<uint32_t> offsets(count, kUnplaced);
  allocate_slots({drafts, first, classes, offsets, 512});
  return offsets;
}

TEST(SlotAllocation, SharesASlotBetweenRegistersThatAreNeverLiveTogether) {
  const auto offsets = place({draft({0}, {}), draft({}, {0}), draft({1}, {}), draft({}, {1})}, 2);
  EXPECT_EQ(offsets[0], offsets[1]);
  EXPECT_EQ(offsets[0], 512U);
}
TEST(SlotAllocation, SharesNoSlotOfARegisterThatIsReadLater) {
  std::vector<Draft> drafts = {draft({0}, {}), draft({}, {0}), draft({1}, {}),
                               draft({}, {1}), draft({2}, {}), draft({}, {2})};
  drafts[3].references[0].is_read_later = true;
  const auto offsets = place(drafts, 3);
  EXPECT_NE(offsets[1], offsets[0]);
  EXPECT_EQ(offsets[2], offsets[0]);
}
TEST(SlotAllocation, KeepsSourceAndDestinationOfAnOperationApart) {
  const auto offsets = place({draft({0}, {}), draft({1}, {0}), draft({}, {1})}, 2);
  EXPECT_NE(offsets[0], offsets[1]);
}
TEST(SlotAllocation, KeepsARegisterThatALoopCarries) {
  // 0: r0 =;  1: r1 = r0;  2: r2 = ; 3: = r2;  4: jump to 1. r0 is needed again after r2.
  std::vector<Draft> drafts = {draft({0}, {}), draft({1}, {0}), draft({2}, {}), draft({}, {2}),
                               draft({}, {})};
  drafts[4].targets = {1};
  const auto offsets = place(drafts, 3);
  EXPECT_NE(offsets[2], offsets[0]);
}
TEST(SlotAllocation, KeepsTheOldValueThatAGuardedWriteMayLeave) {
  // r0 is written before the loop and by a guarded write in it, then read: it lives throughout.
  std::vector<Draft> drafts = {draft({0}, {}), draft({2}, {}), draft({}, {2}), draft({0}, {}),
                               draft({}, {0})};
  drafts[3].guard = 1;
  const auto offsets = place(drafts, 3);
  EXPECT_NE(offsets[2], offsets[0]);
}

}  // namespace
}  // namespace slipstream::emulator
