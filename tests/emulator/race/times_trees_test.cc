#include "emulator/race/times_trees.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <random>

namespace slipstream::emulator::race {
namespace {

using Tree = TimesTrees::Tree;

Tree add(TimesTrees& trees, Tree tree, ClusterId cluster, uint32_t a, uint32_t b) {
  return trees.merge(tree, trees.leaf(cluster, std::array{a, b}));
}

TEST(TimesTrees, KnowNothingAtFirst) {
  TimesTrees trees;
  EXPECT_TRUE(trees.numbers(0, 5).empty());
  EXPECT_TRUE(trees.numbers(add(trees, 0, 4, 1, 1), 5).empty());
}

TEST(TimesTrees, KeepTheHigherOfBothForEachNumber) {
  TimesTrees trees;
  const Tree both = add(trees, add(trees, 0, 9, 1, 7), 9, 3, 2);
  EXPECT_EQ(trees.numbers(both, 9)[0], 3U);
  EXPECT_EQ(trees.numbers(both, 9)[1], 7U);
}

TEST(TimesTrees, MergeIntoWhatIncludesTheOther) {
  TimesTrees trees;
  Tree few = 0;
  for (ClusterId cluster = 1; cluster < 40; ++cluster) few = add(trees, few, cluster, 2, 2);
  Tree many = few;
  for (ClusterId cluster = 40; cluster < 80; ++cluster) many = add(trees, many, cluster, 2, 2);
  EXPECT_EQ(trees.merge(few, many), many);
  EXPECT_EQ(trees.merge(many, few), many);
  EXPECT_EQ(add(trees, many, 17, 1, 2), many);
}

TEST(TimesTrees, HoldWhatMapsMergedOneByOneHold) {
  TimesTrees trees;
  std::mt19937 random(3);
  std::array<Tree, 4> all{};
  std::array<std::map<ClusterId, uint32_t>, 4> expected;
  for (int step = 0; step < 4000; ++step) {
    const size_t to = random() % 4;
    const size_t from = random() % 4;
    if (random() % 4 == 0) {
      all[to] = trees.merge(all[to], all[from]);
      for (const auto& [cluster, time] : expected[from]) {
        expected[to][cluster] = std::max(expected[to][cluster], time);
      }
    } else {
      const auto cluster = static_cast<ClusterId>(1U << random() % 31U) + random() % 8;
      const auto time = static_cast<uint32_t>(random() % 100);
      all[to] = trees.merge(all[to], trees.leaf(cluster, std::array{time}));
      expected[to][cluster] = std::max(expected[to][cluster], time);
    }
  }
  for (size_t i = 0; i < 4; ++i) {
    for (const auto& [cluster, time] : expected[i]) {
      ASSERT_EQ(trees.numbers(all[i], cluster).size(), 1U) << cluster;
      EXPECT_EQ(trees.numbers(all[i], cluster)[0], time) << cluster;
    }
  }
}

}  // namespace
}  // namespace slipstream::emulator::race
