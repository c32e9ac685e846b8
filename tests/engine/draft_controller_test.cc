// How many drafts a step has.

#include "engine/draft_controller.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <random>

namespace slipstream::engine::test {
namespace {

// What a model and a device would do: seconds of steps by drafts, and how often each draft is right.
struct World {
  std::array<double, kMaxDrafts + 1> seconds;
  std::array<double, kMaxDrafts> rates;
};

constexpr World kDraftsPayWell{{5.05, 6.4, 7.6, 8.7, 9.5, 10.2}, {0.9, 0.85, 0.8, 0.8, 0.8}};
constexpr World kTwoAreBest{{5.05, 6.4, 7.6, 8.9, 10.2, 11.5}, {0.92, 0.7, 0.4, 0.2, 0.1}};
constexpr World kNoneIsBest{{5, 9, 13, 17, 21, 25}, {0.3, 0.2, 0.1, 0.1, 0.1}};

class Simulation {
 public:
  explicit Simulation(DraftController& controller) : controller_(controller) {}

  // Takes so many steps of one sequence, seen 8 steps late; returns how many had how many drafts.
  std::map<int, int> run(const World& world, int steps) {
    std::map<int, int> result;
    for (int step = 0; step < steps; ++step) {
      on_the_way_.push_back(controller_.next(1));
      ++result[on_the_way_.back()];
      if (on_the_way_.size() < 8) continue;
      const int drafts = on_the_way_.front();
      on_the_way_.erase(on_the_way_.begin());
      controller_.observe_time(1, drafts, world.seconds[drafts] * (0.95 + 0.1 * uniform_(random_)));
      controller_.observe_acceptance(drafts, accepted(world, drafts));
    }
    return result;
  }

 private:
  int accepted(const World& world, int drafts) {
    int result = 0;
    while (result < drafts && uniform_(random_) < world.rates[result]) ++result;
    return result;
  }

  DraftController& controller_;
  std::vector<int> on_the_way_;
  std::mt19937 random_{1};
  std::uniform_real_distribution<double> uniform_{0, 1};
};

TEST(SmoothedMean, IsTheMeanOfAFewValuesAndForgetsOldOnes) {
  SmoothedMean mean;
  EXPECT_FALSE(mean.is_known());
  mean.add(1);
  mean.add(0);
  EXPECT_DOUBLE_EQ(mean.value(), 0.5);
  for (int i = 0; i < 200; ++i) mean.add(3);
  EXPECT_NEAR(mean.value(), 3, 0.01);
}

TEST(DraftController, KeepsToAFixedNumber) {
  DraftController controller(3, false);
  for (int step = 0; step < 100; ++step) {
    controller.observe_acceptance(3, 0);
    EXPECT_EQ(controller.next(1), 3);
  }
}

TEST(DraftController, LeavesAStepAtSixteenRows) {
  DraftController controller(5, false);
  for (int sequences = 1; sequences <= kMaxStepTokens; ++sequences) {
    const int drafts = controller.next(sequences);
    EXPECT_LE(sequences * (drafts + 1), kMaxStepTokens) << sequences;
    EXPECT_TRUE(drafts == 5 || sequences * (drafts + 2) > kMaxStepTokens) << sequences;
  }
}

TEST(DraftController, FindsTheNumberWithTheMostTokensPerSecond) {
  const std::map<int, World> worlds = {{5, kDraftsPayWell}, {2, kTwoAreBest}, {0, kNoneIsBest}};
  for (const auto& [best, world] : worlds) {
    DraftController controller(5, true);
    Simulation simulation(controller);
    (void)simulation.run(world, 2000);
    const std::map<int, int> used = simulation.run(world, 3000);
    // The rest are probes, and doubt between neighbors.
    EXPECT_GT(used.at(best), 3000 * 0.7) << best;
  }
}

TEST(DraftController, FollowsAcceptanceThatChanges) {
  DraftController controller(5, true);
  Simulation simulation(controller);
  (void)simulation.run(kNoneIsBest, 2000);
  (void)simulation.run(kDraftsPayWell, 4000);
  EXPECT_GT(simulation.run(kDraftsPayWell, 1000)[5], 700);
}

TEST(DraftController, ChangesItsMindAtMostEverySixteenSteps) {
  DraftController controller(5, true);
  int last = controller.next(1);
  int same = 1;
  for (int step = 1; step < 2000; ++step) {
    controller.observe_acceptance(last, step % 7 < 3 ? 0 : last);
    controller.observe_time(1, last, 1 + 0.1 * (step % 5) * last);
    const int drafts = controller.next(1);
    if (drafts != last) {
      EXPECT_EQ(same % DraftController::kHold, 0);
    }
    same = drafts == last ? same + 1 : 1;
    last = drafts;
  }
}

TEST(DraftController, TriesOneDraftMoreNowAndThen) {
  DraftController controller(5, true);
  Simulation simulation(controller);
  (void)simulation.run(kTwoAreBest, 2000);
  EXPECT_GT(simulation.run(kTwoAreBest, 1024)[3], 0);
}

TEST(DraftController, IgnoresTheFirstTimesAndOnesThatAHostWasAwayIn) {
  DraftController controller(1, true);
  const auto measure = [&](int drafts, double seconds) {
    controller.observe_time(1, drafts, seconds);
  };
  for (int i = 0; i < DraftController::kTimesIgnored; ++i) measure(1, 100);
  for (int i = 0; i < DraftController::kTimesIgnored; ++i) measure(0, 1e-9);
  for (int i = 0; i < 40; ++i) {
    measure(0, 1);
    measure(1, 1.3);
    controller.observe_acceptance(1, 1);
  }
  measure(1, 1000);
  EXPECT_EQ(controller.next(1), 1);
}

TEST(DraftController, CountsWhatWasJudged) {
  DraftController controller(3, false);
  controller.observe_acceptance(0, 0);  // nothing was there
  controller.observe_acceptance(3, 3);
  controller.observe_acceptance(3, 1);
  controller.observe_acceptance(2, 0);
  const DraftStatistics& statistics = controller.statistics();
  EXPECT_EQ(statistics.steps, 3);
  EXPECT_EQ(statistics.tokens, 4 + 2 + 1);
  EXPECT_EQ(statistics.checked, (std::array<int64_t, kMaxDrafts>{3, 2, 1, 0, 0}));
  EXPECT_EQ(statistics.accepted, (std::array<int64_t, kMaxDrafts>{2, 1, 1, 0, 0}));
  EXPECT_DOUBLE_EQ(statistics.mean_length(), 7.0 / 3);
}

TEST(DraftController, HasNoMeanLengthBeforeADraftWasJudged) {
  EXPECT_EQ(DraftController(3, false).statistics().mean_length(), 0);
}

}  // namespace
}  // namespace slipstream::engine::test
