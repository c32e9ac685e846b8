#include "emulator/race/clock_forest.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace slipstream::emulator::race {
namespace {

TEST(ClockForest, KnowsNothingAtFirst) {
  ClockForest clocks;
  EXPECT_FALSE(clocks.knows(0, ClusterId{1}, 0, 0));
  EXPECT_FALSE(clocks.knows(0, Ticket{1}));
}

TEST(ClockForest, KnowsWhatWasReleasedAndNothingLater) {
  ClockForest clocks;
  const std::array<uint32_t, 2> times{4, 9};
  const ClockId clock = clocks.release(5, 0, times, {}, 0);
  EXPECT_TRUE(clocks.knows(clock, 5, 0, 4));
  EXPECT_FALSE(clocks.knows(clock, 5, 0, 5));
  EXPECT_TRUE(clocks.knows(clock, 5, 1, 9));
  EXPECT_FALSE(clocks.knows(clock, 6, 0, 1));
}

TEST(ClockForest, PassesOnWhatTheReleasingThreadHadLearnt) {
  ClockForest clocks;
  const std::array<uint32_t, 1> times{1};
  TicketSet tickets;
  tickets.insert(42);
  const ClockId first = clocks.release(1, 0, times, tickets, 0);
  const ClockId second = clocks.release(2, 0, times, {}, first);
  EXPECT_TRUE(clocks.knows(second, 1, 0, 1));
  EXPECT_TRUE(clocks.knows(second, 42));
}

TEST(ClockForest, JoinsBothSides) {
  ClockForest clocks;
  const std::array<uint32_t, 1> early{1};
  const std::array<uint32_t, 1> late{7};
  const ClockId a = clocks.release(1, 0, early, {}, 0);
  const ClockId b = clocks.release(1, 0, late, {}, 0);
  const ClockId c = clocks.release(2, 0, early, {}, 0);
  const ClockId all = clocks.join(clocks.join(a, c), b);
  EXPECT_TRUE(clocks.knows(all, 1, 0, 7));
  EXPECT_TRUE(clocks.knows(all, 2, 0, 1));
  EXPECT_EQ(clocks.join(a, 0), a);
  EXPECT_EQ(clocks.join(0, a), a);
}

TEST(ClockForest, FollowsALongChainOfTickets) {
  ClockForest clocks;
  const std::array<uint32_t, 1> times{1};
  ClockId counter = 0;
  for (ClusterId cluster = 1; cluster <= 20000; ++cluster) {
    counter = clocks.join(counter, clocks.release(cluster, 0, times, {}, 0));
  }
  EXPECT_TRUE(clocks.knows(counter, 1, 0, 1));
  EXPECT_TRUE(clocks.knows(counter, 20000, 0, 1));
}

// As a barrier of the grid does: all clusters release, and each joins what all have released with what it knew.
TEST(ClockForest, KnowsAllRoundsOfABarrierThatClustersPassAgainAndAgain) {
  constexpr ClusterId kClusters = 40;
  constexpr uint32_t kRounds = 40;
  ClockForest clocks;
  std::vector<ClockId> known(kClusters + 1);
  for (uint32_t round = 1; round <= kRounds; ++round) {
    ClockId all = 0;
    for (ClusterId cluster = 1; cluster <= kClusters; ++cluster) {
      const std::array<uint32_t, 2> times{round, 2 * round};
      all = clocks.join(all, clocks.release(cluster, 0, times, {}, known[cluster]));
    }
    for (ClusterId cluster = 1; cluster <= kClusters; ++cluster) {
      known[cluster] = clocks.join(known[cluster], all);
      EXPECT_TRUE(clocks.knows(known[cluster], 1 + cluster % kClusters, 1, 2 * round));
      EXPECT_FALSE(clocks.knows(known[cluster], 1 + cluster % kClusters, 0, round + 1));
    }
  }
  // Each round a release of each cluster and a join with it: who has passed the barrier knows what all do.
  EXPECT_LE(clocks.size(), 2 * kRounds * kClusters);
}

TEST(ClockForest, AsksPastAnswersOfEarlierQuestions) {
  ClockForest clocks;
  const std::array<uint32_t, 1> times{3};
  TicketSet tickets;
  tickets.insert(7);
  const ClockId first = clocks.release(5, 0, times, tickets, 0);
  EXPECT_TRUE(clocks.knows(first, 5, 0, 3));
  const ClockId second = clocks.release(2, 0, times, {}, first);
  EXPECT_TRUE(clocks.knows(second, 2, 0, 3));
  EXPECT_TRUE(clocks.knows(second, 5, 0, 3));
  EXPECT_TRUE(clocks.knows(second, 7));
  EXPECT_FALSE(clocks.knows(first, 2, 0, 3));
  EXPECT_FALSE(clocks.knows(second, 3, 0, 1));
}

}  // namespace
}  // namespace slipstream::emulator::race
