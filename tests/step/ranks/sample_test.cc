// Ranks that share a vocabulary choose the token that one rank would choose from all logits.

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "model/sampling.h"
#include "pdl/device.h"
#include "step/kernels/sample/launch.h"
#include "tests/model/support/random.h"
#include "tests/step/kernels/device_values.h"
#include "tests/step/support/adjusted_rows.h"
#include "tests/step/support/rank_team.h"
#include "tests/step/support/sampling_ways.h"

namespace slipstream::step::test::sample_test {
namespace {

using kernels::StepRow;
using model::reference::Matrix;

constexpr int kPosition = 10;  // of the first row
constexpr int kLayers = 2;
constexpr int kSeeds = 3;

struct Case {
  int ranks;
  int vocabulary;
};

class SharedSampling : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (pdl::device_count() < c_.ranks) GTEST_SKIP() << "needs " << c_.ranks << " devices";
    team_ = std::make_unique<RankTeam>(window_config(128, kLayers), c_.ranks);
  }

  // The first id of a rank.
  [[nodiscard]] int first_of(int rank) const {
    const int part = (c_.vocabulary + c_.ranks - 1) / c_.ranks;
    return std::min(part * rank, c_.vocabulary);
  }

  // What each rank chooses.
  [[nodiscard]] std::vector<std::vector<int>> sample(
      const Matrix& logits, const std::vector<SamplingOptions>& options) const {
    std::vector<AdjustedRow> rows;
    for (const SamplingOptions& of_row : options) rows.push_back({.options = of_row});
    return sample_adjusted(logits, rows).tokens;
  }

  struct Outcome {
    std::vector<std::vector<int>> tokens;  // of each rank
    std::vector<std::vector<kernels::RowLogprobs>> logprobs;
  };
  [[nodiscard]] Outcome sample_adjusted(const Matrix& logits,
                                        const std::vector<AdjustedRow>& options) const {
    std::vector<StepRow> rows;
    for (size_t i = 0; i < options.size(); ++i) {
      rows.push_back(step_row(options[i], kPosition + static_cast<int>(i)));
    }
    Outcome result{std::vector<std::vector<int>>(c_.ranks),
                   std::vector<std::vector<kernels::RowLogprobs>>(c_.ranks)};
    team_->run([&](int rank) {
      const int first = first_of(rank);
      const int count = first_of(rank + 1) - first;
      std::vector<float> share;
      for (int row = 0; row < logits.rows(); ++row) {
        const auto begin = logits.row(row).begin() + first;
        share.insert(share.end(), begin, begin + count);
      }
      const pdl::Stream stream;
      const DeviceValues<float> device_logits(share);
      const DeviceValues<StepRow> device_rows(rows);
      const DeviceValues<int> sampled(rows.size());
      const AdjustedRows adjusted(options, c_.vocabulary, first, count);
      kernels::SampleParams params{
          .logits = {device_logits.data()},
          .vocabulary = count,
          .tokens = logits.rows(),
          .rows = {device_rows.data()},
          .sampled = {sampled.data()},
          .ranks = team_->exchange(rank)->vocabulary(mlp_exchange(kLayers - 1)),
          .extras = adjusted.params()};
      params.ranks.first_token = first;
      params.ranks.size = c_.vocabulary;
      kernels::launch_sample(params, {.stream = stream.get()});
      check_cuda(cudaStreamSynchronize(stream.get()), "cudaStreamSynchronize");
      result.tokens[rank] = sampled.download();
      result.logprobs[rank] = adjusted.logprobs();
      for (const StepRow& row : device_rows.download()) {
        EXPECT_EQ(row.token, result.tokens[rank][row.position - kPosition - 1]);
      }
    });
    return result;
  }

  void expect_reference(const Matrix& logits, const std::vector<SamplingOptions>& options) const {
    std::vector<int> expected;
    for (size_t i = 0; i < options.size(); ++i) {
      const int row = static_cast<int>(i);
      expected.push_back(model::sample(logits.row(row), options[i], kPosition + row));
    }
    EXPECT_EQ(sample(logits, options), std::vector(c_.ranks, expected));
  }
  void expect_reference(const std::vector<SamplingOptions>& options) const {
    expect_reference(some_logits(static_cast<int>(options.size()), c_.vocabulary, 4), options);
  }

  Case c_ = GetParam();
  std::unique_ptr<RankTeam> team_;
};

TEST_P(SharedSampling, ChoosesAsOneRankWouldInEveryWay) {
  expect_reference(every_way());
  expect_reference(seeds({.temperature = 2, .top_k = 20, .top_p = 0.7F}, kSeeds));
  expect_reference(seeds({.temperature = 3, .top_p = 0.95F}, kSeeds));
}

TEST_P(SharedSampling, TakesTheLowerIdAmongEqualLogitsOfSeveralRanks) {
  Matrix logits(1, c_.vocabulary);
  for (int rank = 1; rank < c_.ranks; ++rank) logits.row(0)[first_of(rank) + 3] = 2;
  EXPECT_EQ(sample(logits, {{}}),
            std::vector(c_.ranks, std::vector<int>{c_.ranks == 1 ? 0 : first_of(1) + 3}));
}

// The k-th largest and those equal to it lie on both sides of every border between ranks.
TEST_P(SharedSampling, KeepsTiedLogitsOfSeveralRanksTogether) {
  Matrix logits(3, c_.vocabulary);
  for (int row = 0; row < 3; ++row) {
    for (int rank = 1; rank < c_.ranks; ++rank) {
      for (const int id : {first_of(rank) - 1, first_of(rank)}) logits.row(row)[id] = 9;
    }
    logits.row(row)[c_.vocabulary - 1] = 10;
  }
  expect_reference(logits, seeds({.temperature = 3, .top_k = 2}, kSeeds));
  expect_reference(logits, seeds({.temperature = 3, .top_p = 0.6F}, kSeeds));
}

// Values of the largest logits that sit on one rank only, the last and smallest one's.
TEST_P(SharedSampling, DrawsFromOneRankIfAllThatIsKeptIsThere) {
  Matrix logits = some_logits(3, c_.vocabulary, 8);
  for (int row = 0; row < 3; ++row) {
    for (int i = 1; i <= 5; ++i) logits.row(row)[c_.vocabulary - i] = 20.0F + static_cast<float>(i);
  }
  expect_reference(logits, seeds({.temperature = 4, .top_k = 5}, kSeeds));
  expect_reference(logits, seeds({.temperature = 4, .top_k = 5, .top_p = 0.5F}, kSeeds));
}

TEST_P(SharedSampling, ChoosesAmongLogitsThatAreNotAllNumbers) {
  const auto changed = [&](const std::function<void(int, float&)>& change) {
    Matrix logits = some_logits(static_cast<int>(every_way().size()), c_.vocabulary, 7);
    for (int row = 0; row < logits.rows(); ++row) {
      for (int id = 0; id < c_.vocabulary; ++id) change(id, logits.row(row)[id]);
    }
    return logits;
  };
  // A rank without any number.
  expect_reference(changed([&](int id, float& logit) {
                     if (id < first_of(1) || id % 3 == 0) logit = NAN;
                   }),
                   every_way());
  expect_reference(changed([&](int id, float& logit) {
                     if (id == 5 || id == c_.vocabulary - 2) logit = INFINITY;
                     if (id % 7 == 0) logit = -INFINITY;
                   }),
                   every_way());
  const Matrix nothing = changed([](int, float& logit) { logit = NAN; });
  EXPECT_EQ(sample(nothing, every_way()), std::vector(c_.ranks, std::vector<int>(5, 0)));
  expect_reference(
      changed([&](int id, float& logit) { logit = id == c_.vocabulary - 9 ? -INFINITY : NAN; }),
      every_way());
}

TEST_P(SharedSampling, DrawsFromEveryIdWithATopKOfTheWholeVocabulary) {
  const Matrix logits = some_logits(3, c_.vocabulary, 4);
  const auto all = sample(logits, seeds({.temperature = 3}, kSeeds));
  EXPECT_EQ(sample(logits, seeds({.temperature = 3, .top_k = c_.vocabulary}, kSeeds)), all);
  EXPECT_EQ(sample(logits, seeds({.temperature = 3, .top_k = 1 << 30}, kSeeds)), all);
}

TEST_P(SharedSampling, AdjustsAndReportsAsOneRankWould) {
  const std::vector<AdjustedRow> rows = every_adjustment(c_.vocabulary);
  const Matrix logits = some_logits(static_cast<int>(rows.size()), c_.vocabulary, 4);
  const Outcome outcome = sample_adjusted(logits, rows);
  for (int rank = 0; rank < c_.ranks; ++rank) {
    for (size_t i = 0; i < rows.size(); ++i) {
      SCOPED_TRACE(testing::Message() << "rank " << rank << ", row " << i);
      const int row = static_cast<int>(i);
      test::expect_reference(rows[i], logits.row(row), kPosition + row, outcome.tokens[rank][i],
                             outcome.logprobs[rank][i]);
    }
  }
}

TEST_P(SharedSampling, ReportsTheLowerIdsAmongEqualLogitsOfSeveralRanks) {
  Matrix logits(1, c_.vocabulary);
  for (int rank = 0; rank < c_.ranks; ++rank) {
    for (const int id : {2, 9, 12}) logits.row(0)[first_of(rank) + id] = 2;
  }
  const std::vector<AdjustedRow> rows = {{.options = {.logprobs = 5}}};
  const Outcome outcome = sample_adjusted(logits, rows);
  for (int rank = 0; rank < c_.ranks; ++rank) {
    test::expect_reference(rows[0], logits.row(0), kPosition, outcome.tokens[rank][0],
                           outcome.logprobs[rank][0]);
  }
}

INSTANTIATE_TEST_SUITE_P(Ranks, SharedSampling,
                         testing::Values(Case{1, 130}, Case{2, 523}, Case{4, 517}, Case{8, 523}),
                         [](const auto& info) {
                           return std::to_string(info.param.ranks) + "Of" +
                                  std::to_string(info.param.vocabulary);
                         });

}  // namespace
}  // namespace slipstream::step::test::sample_test
