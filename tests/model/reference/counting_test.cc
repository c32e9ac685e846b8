// The tiny model that counts: what its tokens and its drafts are supposed to be, they are.
#include "model/tiny/counting.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
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

// How many of the first drafts are those that the layer must give.
int right_drafts(const reference::DraftResult& result) {
  int right = 0;
  for (int row = 0; row < result.logits.rows(); ++row) {
    right += largest(result.logits.row(row)) == tiny::counting_draft(row + 3, 1, kVocabulary);
  }
  return right;
}

// What is done wrongly shows.
TEST_F(Counting, DraftsWrongTokensFromHiddenStatesBeforeTheFinalNorm) {
  (void)run(40);
  // The main layers add nothing: before the norm there are the embeddings.
  reference::Matrix before(40, model_.config.hidden_size);
  for (int row = 0; row < 40; ++row) {
    std::ranges::copy(model_.embedding.row(row + 3), before.row(row).begin());
  }
  EXPECT_LT(right_drafts(draft(std::vector<int>(40, 300), places_, before)), 4);
}

TEST_F(Counting, DraftsWrongTokensFromAStateBeforeTheLayersOwnNorm) {
  const reference::StepResult result = run(40);
  const reference::DraftResult first =
      draft(std::vector<int>(40, 300), places_, result.final_hidden);
  // Nothing but signs lies between them.
  reference::Matrix before(1, first.normed.columns());
  for (int i = 0; i < before.columns(); ++i) {
    before.row(0)[i] = first.normed.row(39)[i] * model_.mtp->head_norm[i];
  }
  lists_ = {lists_.back()};
  const reference::TokenPlace place{0, 40};
  EXPECT_NE(largest(draft({300}, {&place, 1}, before).logits.row(0)),
            tiny::counting_draft(42, 2, kVocabulary));
}

TEST_F(Counting, DraftsWrongTokensFromTheOtherHalf) {
  const reference::StepResult result = run(40);
  std::vector<int> next;
  for (int row = 0; row < 40; ++row) next.push_back(tiny::counting_successor(row + 3, kVocabulary));
  // As if embedding and hidden state came the other way around.
  reference::Matrix embeddings(40, model_.config.hidden_size);
  for (int row = 0; row < 40; ++row) {
    std::ranges::copy(model_.embedding.row(next[row]), embeddings.row(row).begin());
  }
  EXPECT_LT(right_drafts(draft(next, places_, embeddings)), 4);
}

TEST_F(Counting, DraftsTheIntruderWherePositionsAreOneTooFar) {
  const reference::StepResult result = run(2);
  const std::array<reference::TokenPlace, 2> shifted{{{0, 1}, {0, 2}}};
  const reference::DraftResult first = draft({300, 300}, shifted, result.final_hidden);
  EXPECT_EQ(largest(first.logits.row(1)), tiny::counting_successor(0, kVocabulary));
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
