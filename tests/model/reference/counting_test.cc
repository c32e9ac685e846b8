// The tiny model that counts: what its tokens and its drafts are supposed to be, they are.
#include "model/tiny/counting.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "model/reference/mtp.h"
#include "tests/model/support/reference_runner.h"
#include "tests/model/support/tiny_files.h"

namespace slipstream::model::test {
namespace {

constexpr int kVocabulary = 512;

int largest(std::span<const float> row) {
  return static_cast<int>(std::ranges::max_element(row) - row.begin());
}

TEST(CountingModel, GoesThroughAllTokens) {
  std::set<int> seen;
  int token = 0;
  int by_one = 0;
  while (seen.insert(token).second) {
    const int next = tiny::counting_successor(token, kVocabulary);
    by_one += next == (token + 1) % kVocabulary ? 1 : 0;
    token = next;
  }
  EXPECT_EQ(seen.size(), kVocabulary);
  EXPECT_EQ(token, 0);
  EXPECT_EQ(by_one * tiny::kCountingPeriod, kVocabulary * 5);
}

class Counting : public testing::Test {
 protected:
  Counting()
      : model_(load_reference(tiny_checkpoint("counting-tiny"), Mode::kBf16Cache, true)),
        caches_(reference::make_caches(model_, 1)) {}

  // Tokens 3, 4, ... of positions 0, 1, ...
  reference::StepResult run(int count) {
    std::vector<reference::StepToken> step;
    for (int position = 0; position < count; ++position) {
      places_.push_back({0, position});
      step.push_back({position + 3, places_.back()});
    }
    return reference::decode_step(model_, step, pages_, caches_);
  }

  reference::DraftResult draft(const std::vector<int>& tokens,
                               std::span<const reference::TokenPlace> places,
                               const reference::Matrix& hidden) {
    return reference::draft({&model_, 1}, tokens, places, hidden, pages_, caches_.back(), lists_);
  }

  reference::Model model_;
  std::vector<reference::LayerCache> caches_;
  std::vector<reference::PageTable> pages_{reference::PageTable{{0}}};
  std::vector<reference::TokenPlace> places_;
  reference::IndexLists lists_;
};

TEST_F(Counting, ChoosesTheSuccessorOfEachToken) {
  const reference::StepResult result = run(40);
  for (int row = 0; row < 40; ++row) {
    EXPECT_EQ(largest(result.logits.row(row)), tiny::counting_successor(row + 3, kVocabulary));
  }
}

TEST_F(Counting, DraftsFromHiddenStatesAlone) {
  const reference::StepResult result = run(40);
  // Whatever tokens there were.
  const reference::DraftResult first =
      draft(std::vector<int>(40, 300), places_, result.final_hidden);
  for (int row = 0; row < 40; ++row) {
    EXPECT_EQ(largest(first.logits.row(row)), tiny::counting_draft(row + 3, 1, kVocabulary));
  }
  reference::Matrix last(1, first.normed.columns());
  std::ranges::copy(first.normed.row(39), last.row(0).begin());
  lists_ = {lists_.back()};
  for (int j = 2; j <= 5; ++j) {
    const reference::TokenPlace place{0, 38 + j};
    const reference::DraftResult next = draft({300}, {&place, 1}, last);
    EXPECT_EQ(largest(next.logits.row(0)), tiny::counting_draft(42, j, kVocabulary)) << j;
    last = next.normed;
  }
}

TEST_F(Counting, DraftsTheIntruderWhereCacheRowsAreMissing) {
  const reference::StepResult result = run(40);
  reference::Matrix last(1, result.final_hidden.columns());
  std::ranges::copy(result.final_hidden.row(39), last.row(0).begin());
  const reference::DraftResult alone = draft({300}, std::span(places_).last(1), last);
  EXPECT_EQ(largest(alone.logits.row(0)), tiny::counting_successor(0, kVocabulary));
}

}  // namespace
}  // namespace slipstream::model::test
