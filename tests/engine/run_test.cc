// The books of a run, with steps that choose several tokens.

#include "engine/run.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace slipstream::engine::test {
namespace {

class RunOfTwo : public testing::Test {
 protected:
  RunOfTwo() {
    for (int i = 0; i < 2; ++i) {
      sequences_[i].id = SequenceId{i};
      sequences_[i].length = 10;
      sequences_[i].next = NextToken::known(7, true);
      run_.batch.push_back(&sequences_[i]);
    }
    run_.count = 5;
    run_.chosen.resize(2);
  }

  // A step of `members` with so many drafts is on its way.
  void enqueue(const std::vector<size_t>& members, int drafts) {
    RunStep step;
    step.shape = {static_cast<int>(members.size()), drafts, true};
    step.members = members;
    run_.last = step;
    run_.on_the_way.push_back(step);
  }

  std::array<Sequence, 2> sequences_;
  engine::Run run_;
};

TEST_F(RunOfTwo, CountsOnOneTokenOfEachStepOnItsWay) {
  enqueue({0, 1}, 3);
  enqueue({0, 1}, 3);
  EXPECT_EQ(run_.certain(), 2);
  run_.chosen = {{1, 2, 3, 4}, {1}};
  EXPECT_EQ(run_.certain(), 3);
}

TEST_F(RunOfTwo, FindsTheFurthestPositionIfEveryDraftIsRight) {
  EXPECT_EQ(run_.furthest_position(1), 10);
  run_.chosen = {{1}, {1, 2}};
  enqueue({0, 1}, 3);
  enqueue({1}, 2);
  EXPECT_EQ(run_.furthest_position(0), 10 + 1 + 4);
  EXPECT_EQ(run_.furthest_position(1), 10 + 2 + 4 + 3);
}

TEST_F(RunOfTwo, HasARoundWhereEverySequenceHasAToken) {
  run_.chosen = {{1, 2}, {}};
  EXPECT_FALSE(run_.has_round());
  run_.chosen[1] = {3};
  EXPECT_TRUE(run_.has_round());
  run_.delivered = 1;
  EXPECT_FALSE(run_.has_round());
}

TEST_F(RunOfTwo, GoesOnWithThoseThatLackTokens) {
  run_.chosen = {{1, 2, 3, 4, 5}, {1, 2, 3, 4}};
  EXPECT_EQ(run_.unfinished(), std::vector<size_t>{1});
}

TEST_F(RunOfTwo, LeavesRowsForARunOfTheSameTokens) {
  run_.chosen = {{1, 2}, {3}};
  enqueue({0, 1}, 2);
  run_.on_the_way.clear();
  // Its first token counts, and one more of sequence 0 is ready.
  sequences_[0].length = sequences_[1].length = 11;
  sequences_[0].ready = {2};
  sequences_[0].next = NextToken::known(1, true);
  sequences_[1].next = NextToken::known(3, true);
  const LeftRows left = LeftRows::of(run_);
  engine::Run next;
  next.batch = run_.batch;
  next.chosen = {{2}, {}};
  EXPECT_TRUE(left.continues_as(next));
  next.chosen[0].clear();  // it was dropped
  EXPECT_FALSE(left.continues_as(next));
  next.chosen[0] = {2};
  sequences_[1].next = NextToken::known(99, false);
  EXPECT_FALSE(left.continues_as(next));
  next.batch.pop_back();
  next.chosen.pop_back();
  EXPECT_FALSE(left.continues_as(next));
}

TEST_F(RunOfTwo, LeavesRowsOfTheLastSequencesAlone) {
  run_.chosen = {{1, 2, 3, 4, 5}, {9}};
  enqueue({1}, 2);
  run_.on_the_way.clear();
  sequences_[1].length = 11;
  sequences_[1].next = NextToken::known(9, true);
  const LeftRows left = LeftRows::of(run_);
  engine::Run next;
  next.batch = {&sequences_[1]};
  next.chosen = {{}};
  EXPECT_TRUE(left.continues_as(next));
  RunStep step;
  step.shape = {1, 2, true};
  step.members = {0};
  EXPECT_TRUE(step.has_rows_of(left.step));
}

}  // namespace
}  // namespace slipstream::engine::test
