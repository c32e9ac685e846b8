// The choice of a token by ranks that share the vocabulary, seen from one rank: what it tells, what
// it makes of what the others tell, and what it leaves in its window.

#include <gtest/gtest.h>

#include <bit>
#include <cmath>

#include "step/kernels/sample/launch.h"
#include "tests/step/kernels/device_values.h"
#include "tests/step/support/played_ranks.h"

namespace slipstream::step::test::agreement_test {
namespace {

using kernels::kChoiceRound;
using kernels::StepRow;

constexpr int kHidden = 128;
constexpr int kShare = 70;  // ids per rank; the last rank has fewer
constexpr int kVocabulary = 3 * kShare + 13;
constexpr int kRanks = 4;
constexpr int kRank = 2;
constexpr int kLayers = 2;

class Choice : public testing::Test {
 protected:
  // As rank 2, from its logits of each token; greedy.
  std::vector<int> choose(const std::vector<std::vector<float>>& logits) const {
    std::vector<float> flat;
    for (const auto& row : logits) flat.insert(flat.end(), row.begin(), row.end());
    const DeviceValues<float> device_logits(flat);
    const DeviceValues<StepRow> rows(logits.size());
    const DeviceValues<int> sampled(logits.size());
    const auto exchange = played_.exchange(kRank);
    kernels::SampleParams params{.logits = {device_logits.data()},
                                 .vocabulary = kShare,
                                 .tokens = static_cast<int>(logits.size()),
                                 .rows = {rows.data()},
                                 .sampled = {sampled.data()},
                                 .ranks = exchange->vocabulary(mlp_exchange(kLayers - 1))};
    params.ranks.first_token = kRank * kShare;
    params.ranks.size = kVocabulary;
    kernels::launch_sample(params, {.stream = played_.stream()});
    played_.synchronize();
    return sampled.download();
  }

  void tell_choice(int source, int token, uint32_t epoch, double score, int id) const {
    played_.tell(source, kRank, kChoiceRound, token, 0, epoch, std::bit_cast<uint64_t>(score));
    played_.tell(source, kRank, kChoiceRound, token, 1, epoch, static_cast<uint32_t>(id));
  }
  void tell_nothing_better(int token, uint32_t epoch) const {
    for (const int source : {0, 1, 3}) {
      tell_choice(source, token, epoch, -INFINITY, source * kShare);
    }
  }

  PlayedRanks played_{kHidden, kLayers, kRanks};
};

std::vector<float> one_best(int best, float logit) {
  std::vector<float> logits(kShare);
  logits[best] = logit;
  return logits;
}

TEST_F(Choice, IsTheBestOfAllRanks) {
  tell_nothing_better(0, 1);
  tell_nothing_better(1, 1);
  tell_choice(3, 1, 1, 9.5, 3 * kShare + 7);
  EXPECT_EQ(choose({one_best(5, 9), one_best(5, 9)}),
            (std::vector<int>{kRank * kShare + 5, 3 * kShare + 7}));
}

TEST_F(Choice, IsTheLowerIdOfEqualsOnTwoRanks) {
  tell_nothing_better(0, 1);
  tell_nothing_better(1, 1);
  tell_choice(1, 0, 1, 9, kShare + 60);
  tell_choice(3, 1, 1, 9, 3 * kShare);
  EXPECT_EQ(choose({one_best(5, 9), one_best(5, 9)}),
            (std::vector<int>{kShare + 60, kRank * kShare + 5}));
}

TEST_F(Choice, IsTheFirstIdWhereNoRankHasANumber) {
  for (const int source : {0, 1, 3}) tell_choice(source, 0, 1, -INFINITY, 0x7fffffff);
  EXPECT_EQ(choose({std::vector<float>(kShare, NAN)}), std::vector<int>{0});
}

TEST_F(Choice, IsToldToEveryRankWithTheEpoch) {
  tell_nothing_better(0, 1);
  (void)choose({one_best(5, 9)});
  const std::vector<uint64_t> best{uint64_t{1} << 32 | 0U,
                                   uint64_t{1} << 32 | std::bit_cast<uint64_t>(9.0) >> 32};
  const std::vector<uint64_t> id{uint64_t{1} << 32 | (kRank * kShare + 5), uint64_t{1} << 32};
  for (int target = 0; target < kRanks; ++target) {
    EXPECT_EQ(played_.told(kRank, target, kChoiceRound, 0, 0), best);
    EXPECT_EQ(played_.told(kRank, target, kChoiceRound, 0, 1), id);
  }
}

// The picks of the step before are not taken for new ones, also if a row paused meanwhile.
TEST_F(Choice, CountsTheStepsOfEachRow) {
  tell_nothing_better(0, 1);
  (void)choose({one_best(5, 9)});
  EXPECT_EQ(played_.head(kRank).epochs[0], 1U);
  EXPECT_EQ(played_.head(kRank).epochs[1], 0U);
  tell_nothing_better(0, 2);
  tell_choice(0, 0, 2, 10, 17);
  tell_nothing_better(1, 1);
  EXPECT_EQ(choose({one_best(5, 9), one_best(6, 9)}), (std::vector<int>{17, kRank * kShare + 6}));
  EXPECT_EQ(played_.head(kRank).epochs[0], 2U);
  EXPECT_EQ(played_.head(kRank).epochs[1], 1U);
}

TEST_F(Choice, NamesARankThatTellsNothing) {
  tell_nothing_better(0, 1);
  tell_choice(3, 0, 0, 10, 17);  // of the step before
  PlayedRanks& played = played_;
  const auto exchange = played.exchange(kRank, 20'000);
  const DeviceValues<float> logits(one_best(5, 9));
  const DeviceValues<StepRow> rows(1);
  const DeviceValues<int> sampled(1);
  kernels::SampleParams params{.logits = {logits.data()},
                               .vocabulary = kShare,
                               .tokens = 1,
                               .rows = {rows.data()},
                               .sampled = {sampled.data()},
                               .ranks = exchange->vocabulary(mlp_exchange(kLayers - 1))};
  params.ranks.size = kVocabulary;
  kernels::launch_sample(params, {.stream = played.stream()});
  played.synchronize();
  EXPECT_EQ(played.record().happened, 1);
  EXPECT_EQ(played.record().silent_rank, 3);
  EXPECT_EQ(played.record().exchange, -1);
  EXPECT_EQ(played.record().round, kChoiceRound);
}

// A peer that has chosen its token may send the first rows of the next step at once. Two layers:
// four exchanges, the first and the last of which would have the same of three buffers.
TEST_F(Choice, EmptiesTheLastRowsOfTheStepAndNotTheFirstOfTheNext) {
  const std::vector<uint16_t> row(kHidden, 0x3f80);
  const std::vector<uint16_t> two_rows(2 * kHidden, 0x3f80);
  for (int source = 0; source < kRanks; ++source) {
    played_.send(source, kRank, 3, two_rows);
    played_.send(source, kRank, 0, row);
  }
  tell_nothing_better(0, 1);
  (void)choose({one_best(5, 9)});
  std::vector<uint16_t> first(size_t{kernels::kMaxRows} * kHidden, kMinusZero);
  std::vector<uint16_t> last = first;
  std::fill_n(first.begin(), kHidden, 0x3f80);
  std::fill_n(last.begin() + kHidden, kHidden, 0x3f80);  // a token that the step did not have
  for (int source = 0; source < kRanks; ++source) {
    EXPECT_EQ(played_.rows(source, kRank, 0), first) << "from rank " << source;
    EXPECT_EQ(played_.rows(source, kRank, 3), last) << "from rank " << source;
  }
}

}  // namespace
}  // namespace slipstream::step::test::agreement_test
