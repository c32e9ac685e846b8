// The order that CUDA and PTX promise between work items and between threads, rule by rule.
#include "emulator/race/order.h"

#include <gtest/gtest.h>

namespace slipstream::emulator::race::order_test {
namespace {

constexpr uint32_t kAllLanes = 0xffffffffU;
constexpr Dependency programmatic(Ticket ticket) { return {ticket, DependencyKind::kProgrammatic}; }
constexpr Dependency full(Ticket ticket) { return {ticket, DependencyKind::kFull}; }

// One cluster of one CTA for each grid; grids run one after the other.
class Grids : public testing::Test {
 protected:
  ClusterOrder& start(Ticket ticket, const std::vector<Dependency>& dependencies,
                      uint32_t warps = 1, uint32_t ctas = 1, uint64_t domain = 0) {
    order.submit(ticket, dependencies, domain);
    clusters.push_back(order.start_cluster(ticket, 0, ctas, warps));
    return *clusters.back();
  }
  void finish(ClusterOrder& grid) {
    grid.exit_cta(0);
    order.complete(grid.ticket());
  }
  // A segment in which the warp has accessed something.
  Segment access(ClusterOrder& grid, uint32_t warp = 0) {
    return order.history().segment(grid.segment(warp));
  }
  static bool knows(ClusterOrder& grid, Ticket ticket, uint32_t lanes = kAllLanes) {
    return grid.know_complete(0, lanes, ticket);
  }

  Order order;
  std::vector<std::unique_ptr<ClusterOrder>> clusters;
};

TEST_F(Grids, AreOrderedFromTheirStartByAFullDependency) {
  finish(start(1, {}));
  EXPECT_TRUE(knows(start(2, {full(1)}), 1));
}

TEST_F(Grids, AreUnorderedWithoutADependency) {
  finish(start(1, {}));
  EXPECT_FALSE(knows(start(2, {}), 1));
}

TEST_F(Grids, AreOrderedBehindTheWaitByAProgrammaticDependency) {
  finish(start(1, {}));
  ClusterOrder& second = start(2, {programmatic(1)});
  EXPECT_FALSE(knows(second, 1));
  second.wait_for_grids(0, kAllLanes);
  EXPECT_TRUE(knows(second, 1));
}

TEST_F(Grids, AreOrderedBehindTheWaitWhereAllBlocksOfTheOtherHaveStarted) {
  finish(start(1, {}));
  ClusterOrder& second = start(2, {{1, DependencyKind::kBlockStart}});
  EXPECT_FALSE(knows(second, 1));
  second.wait_for_grids(0, kAllLanes);
  EXPECT_TRUE(knows(second, 1));
}

TEST_F(Grids, AreUnorderedBehindTheWaitByALaunchCompletionEvent) {
  finish(start(1, {}));
  ClusterOrder& second = start(2, {{1, DependencyKind::kLaunchCompletion}});
  second.wait_for_grids(0, kAllLanes);
  EXPECT_FALSE(knows(second, 1));
}

TEST_F(Grids, AreOrderedForTheLanesThatWaited) {
  finish(start(1, {}));
  ClusterOrder& second = start(2, {programmatic(1)});
  second.wait_for_grids(0, 1);
  EXPECT_TRUE(knows(second, 1, 1));
  EXPECT_FALSE(knows(second, 1, 2));
  second.synchronize_lanes(0, 3);
  EXPECT_TRUE(knows(second, 1, 2));
  EXPECT_FALSE(knows(second, 1, 4));
}

TEST_F(Grids, TriggeringOrdersNothing) {
  ClusterOrder& first = start(1, {});
  first.trigger(0, kAllLanes);
  finish(first);
  EXPECT_FALSE(knows(start(2, {programmatic(1)}), 1));
}

TEST_F(Grids, InTheMiddleThatWaitOrderTheirAncestors) {
  finish(start(1, {}));
  ClusterOrder& middle = start(2, {programmatic(1)});
  middle.trigger(0, kAllLanes);
  middle.wait_for_grids(0, kAllLanes);
  finish(middle);
  ClusterOrder& last = start(3, {programmatic(2)});
  EXPECT_FALSE(knows(last, 1)) << "it may start before the middle has waited";
  last.wait_for_grids(0, kAllLanes);
  EXPECT_TRUE(knows(last, 1));
  EXPECT_TRUE(knows(last, 2));
}

TEST_F(Grids, InTheMiddleThatNeverWaitBreakTheChain) {
  finish(start(1, {}));
  finish(start(2, {programmatic(1)}));
  ClusterOrder& last = start(3, {programmatic(2)});
  last.wait_for_grids(0, kAllLanes);
  EXPECT_TRUE(knows(last, 2));
  EXPECT_FALSE(knows(last, 1));
  EXPECT_TRUE(last.work().ancestors.contains(1));
}

TEST_F(Grids, InTheMiddleThatTriggerBehindTheirWaitOrderAncestorsFromTheStart) {
  finish(start(1, {}));
  ClusterOrder& middle = start(2, {programmatic(1)}, 1, 2);
  middle.trigger(0, kAllLanes);  // the first CTA does not wait
  middle.wait_for_grids(1, kAllLanes);
  middle.trigger(1, kAllLanes);  // one that did is enough: the release needs both
  finish(middle);
  ClusterOrder& last = start(3, {programmatic(2)});
  EXPECT_TRUE(knows(last, 1));
  EXPECT_FALSE(knows(last, 2));
}

TEST_F(Grids, ExitsCountAsTriggers) {
  finish(start(1, {}));
  ClusterOrder& middle = start(2, {programmatic(1)});
  middle.wait_for_grids(0, kAllLanes);
  finish(middle);
  EXPECT_TRUE(knows(start(3, {programmatic(2)}), 1));
}

TEST_F(Grids, AreOrderedBehindEverythingTheHostHasWaitedFor) {
  finish(start(1, {}));
  finish(start(2, {full(1)}));
  order.host_waited(2);
  EXPECT_TRUE(knows(start(3, {}), 1));
  EXPECT_TRUE(knows(start(4, {}), 2));
}

TEST_F(Grids, ThatTheHostHasNotWaitedForStayUnordered) {
  finish(start(1, {}));
  finish(start(2, {}));
  EXPECT_FALSE(order.host_waited(2)) << "the first is still unknown to the host";
  EXPECT_FALSE(knows(start(3, {}), 1));
  EXPECT_TRUE(order.host_knows(2));
}

TEST_F(Grids, HandOverWhatIsFencedBeforeTheTrigger) {
  ClusterOrder& first = start(1, {});
  const Segment before = access(first);
  first.fence(0, Scope::kDevice, true, true);
  const Segment behind = access(first);
  first.trigger(0, kAllLanes);
  finish(first);
  ClusterOrder& second = start(2, {programmatic(1)});
  EXPECT_TRUE(second.is_behind(0, 0, before));
  EXPECT_FALSE(second.is_behind(0, 0, behind));
}

TEST_F(Grids, HandOverNothingByAFenceBehindTheTrigger) {
  ClusterOrder& first = start(1, {});
  const Segment written = access(first);
  first.trigger(0, kAllLanes);
  first.fence(0, Scope::kDevice, true, true);
  first.trigger(0, kAllLanes);  // repeats have no effect
  finish(first);
  EXPECT_FALSE(start(2, {programmatic(1)}).is_behind(0, 0, written));
}

TEST_F(Grids, HandOverToAnotherMemoryDomainAtSystemScopeOnly) {
  for (const Scope scope : {Scope::kDevice, Scope::kSystem}) {
    const Ticket ticket = scope == Scope::kDevice ? 1 : 3;
    ClusterOrder& first = start(ticket, {}, 1, 1, /*domain=*/0);
    const Segment written = access(first);
    first.fence(0, scope, true, true);
    first.trigger(0, kAllLanes);
    finish(first);
    ClusterOrder& second = start(ticket + 1, {programmatic(ticket)}, 1, 1, /*domain=*/1);
    EXPECT_EQ(second.is_behind(0, 0, written), scope == Scope::kSystem);
  }
}

// --- Threads of one cluster.

TEST_F(Grids, WarpsAreOrderedByABarrierThatBothPass) {
  ClusterOrder& grid = start(1, {}, 3);
  const Segment written = access(grid, 0);
  EXPECT_FALSE(grid.is_behind(1, 0, written));
  grid.arrive(0, kAllLanes, 0);
  const Segment late = access(grid, 0);
  grid.arrive(1, kAllLanes, 0);
  grid.leave(0, kAllLanes, 0);
  grid.leave(1, kAllLanes, 0);
  grid.reset(0, 0);
  EXPECT_TRUE(grid.is_behind(1, 0, written));
  EXPECT_FALSE(grid.is_behind(1, 0, late)) << "bar.arrive goes on before the others come";
  EXPECT_FALSE(grid.is_behind(2, 0, written)) << "did not take part";
}

TEST_F(Grids, ABarrierPassesOnThatOneWarpHasWaited) {
  finish(start(1, {}));
  ClusterOrder& grid = start(2, {programmatic(1)}, 2);
  grid.wait_for_grids(1, 1);
  grid.arrive(0, kAllLanes, 0);
  grid.arrive(1, kAllLanes, 0);
  grid.leave(0, kAllLanes, 0);
  EXPECT_TRUE(knows(grid, 1));
}

TEST_F(Grids, AnMbarrierOrdersWhoWaitsBehindThoseWhoArrived) {
  ClusterOrder& grid = start(1, {}, 2);
  const Segment written = access(grid, 0);
  grid.arrive_mbarrier(0, 0, /*key=*/8, false);
  grid.leave_mbarrier(1, kAllLanes, /*key=*/16, false);
  EXPECT_FALSE(grid.is_behind(1, 0, written)) << "another mbarrier";
  grid.leave_mbarrier(1, kAllLanes, /*key=*/8, true);
  EXPECT_FALSE(grid.is_behind(1, 0, written)) << "another phase";
  grid.leave_mbarrier(1, kAllLanes, /*key=*/8, false);
  EXPECT_TRUE(grid.is_behind(1, 0, written));
}

TEST_F(Grids, AClusterBarrierOrdersItsCtas) {
  ClusterOrder& grid = start(1, {}, 1, 2);
  const Segment written = access(grid, 0);
  grid.arrive_cluster(0, kAllLanes, 0);
  grid.arrive_cluster(1, kAllLanes, 0);
  grid.leave_cluster(1, kAllLanes, 0);
  EXPECT_TRUE(grid.is_behind(1, 0, written));
}

// --- Clusters of one grid.

class TwoClusters : public testing::Test {
 protected:
  TwoClusters() {
    order.submit(1, {});
    writer = order.start_cluster(1, 0, 1, 2);
    reader = order.start_cluster(1, 1, 1, 1);
    written = order.history().segment(writer->segment(0));
  }
  [[nodiscard]] bool ordered() const { return reader->is_behind(0, 0, written); }

  static constexpr uint64_t kFlag = 64;
  Order order;
  std::unique_ptr<ClusterOrder> writer;
  std::unique_ptr<ClusterOrder> reader;
  Segment written;
};

TEST_F(TwoClusters, AreOrderedByReleaseAndAcquire) {
  order.strong_write(*writer, 0, kFlag, true, false);
  order.strong_read(*reader, 0, kFlag, true);
  EXPECT_TRUE(ordered());
}

TEST_F(TwoClusters, AreNotOrderedByAnotherFlag) {
  order.strong_write(*writer, 0, kFlag, true, false);
  order.strong_read(*reader, 0, kFlag + 4, true);
  EXPECT_FALSE(ordered());
}

TEST_F(TwoClusters, AreOrderedByFencesAroundRelaxedAccesses) {
  writer->fence(0, Scope::kDevice, true, true);
  order.strong_write(*writer, 0, kFlag, false, false);
  order.strong_read(*reader, 0, kFlag, false);
  EXPECT_FALSE(ordered()) << "the reader has not fenced yet";
  reader->fence(0, Scope::kDevice, true, true);
  EXPECT_TRUE(ordered());
}

TEST_F(TwoClusters, AreNotOrderedByARelaxedFlagWithoutAFence) {
  order.strong_write(*writer, 0, kFlag, false, false);
  order.strong_read(*reader, 0, kFlag, true);
  EXPECT_FALSE(ordered());
}

TEST_F(TwoClusters, AreOrderedThroughWhatTheOthersAddToACounter) {
  order.strong_write(*writer, 0, kFlag, true, true);
  const auto third = order.start_cluster(1, 2, 1, 1);
  order.strong_read(*third, 0, kFlag, false);
  order.strong_write(*third, 0, kFlag, false, true);  // a relaxed atomic in between
  order.strong_read(*reader, 0, kFlag, true);
  EXPECT_TRUE(ordered());
}

TEST_F(TwoClusters, AreNotOrderedByAFlagThatAPlainStoreHasReplaced) {
  order.strong_write(*writer, 0, kFlag, true, false);
  const auto third = order.start_cluster(1, 2, 1, 1);
  order.strong_write(*third, 0, kFlag, false, false);
  order.strong_read(*reader, 0, kFlag, true);
  EXPECT_FALSE(ordered());
}

TEST_F(TwoClusters, AFenceByOneWarpCoversWhatABarrierBroughtIt) {
  writer->arrive(0, kAllLanes, 0);
  writer->arrive(1, kAllLanes, 0);
  writer->leave(1, kAllLanes, 0);
  writer->fence(1, Scope::kDevice, true, true);
  order.strong_write(*writer, 1, kFlag, false, true);
  order.strong_read(*reader, 0, kFlag, true);
  EXPECT_TRUE(ordered());
}

TEST_F(TwoClusters, PassOnThatOneHasWaited) {
  order.submit(5, {});
  order.complete(5);
  order.submit(6, {programmatic(5)});
  const auto waiter = order.start_cluster(6, 0, 1, 1);
  const auto other = order.start_cluster(6, 1, 1, 1);
  waiter->wait_for_grids(0, kAllLanes);
  order.strong_write(*waiter, 0, kFlag, true, false);
  EXPECT_FALSE(other->know_complete(0, kAllLanes, 5));
  order.strong_read(*other, 0, kFlag, true);
  EXPECT_TRUE(other->know_complete(0, kAllLanes, 5));
}

}  // namespace
}  // namespace slipstream::emulator::race::order_test
