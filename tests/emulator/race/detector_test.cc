// What counts as a conflict, byte by byte, on memory that nobody emulates.
#include "emulator/race/detector.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <vector>

namespace slipstream::emulator::race {
namespace {

constexpr uint32_t kAllLanes = 0xffffffffU;

class Detection : public testing::Test {
 protected:
  Detection()
      : begin(reinterpret_cast<uint64_t>(memory.data())),
        detector(begin, memory.size(), [this](const Conflict& one) { found.push_back(one); }) {
    sites = detector.history().add_sites(&program, 8);
  }

  ClusterOrder& grid(Ticket ticket, uint32_t warps = 1, uint64_t index = 0) {
    if (index == 0) detector.order().submit(ticket, {});
    clusters.push_back(detector.order().start_cluster(ticket, index, 1, warps));
    return *clusters.back();
  }
  // One instruction at `pc`: lanes of `bytes` each from `offset` on.
  void access(ClusterOrder& cluster, AccessKind kind, uint32_t pc, uint64_t offset,
              uint32_t lanes = 32, uint32_t bytes = 4, bool strong = false, uint32_t warp = 0) {
    Site& site = detector.history().site(sites + pc);
    site.kind = kind;
    site.strong = strong;
    site.lane_bytes = bytes;
    detector.begin(cluster, warp, kAllLanes, sites + pc);
    detector.access(begin + offset, lanes * bytes, 0, bytes);
    if (kind == AccessKind::kWrite) std::memset(memory.data() + offset, ++value, lanes * bytes);
    detector.end();
  }
  void read(ClusterOrder& cluster, uint64_t offset, uint32_t lanes = 32, uint32_t bytes = 4) {
    access(cluster, AccessKind::kRead, 0, offset, lanes, bytes);
  }
  void write(ClusterOrder& cluster, uint64_t offset, uint32_t lanes = 32, uint32_t bytes = 4) {
    access(cluster, AccessKind::kWrite, 1, offset, lanes, bytes);
  }

  alignas(4096) std::array<std::byte, 65536> memory{};
  uint64_t begin;
  std::vector<Conflict> found;
  Detector detector;
  std::vector<std::unique_ptr<ClusterOrder>> clusters;
  int program = 0;
  SiteId sites = 0;
  uint8_t value = 0;
};

TEST_F(Detection, FindsAReadOfAnUnorderedWrite) {
  write(grid(1), 0);
  read(grid(2), 0);
  ASSERT_EQ(found.size(), 32U);
  EXPECT_EQ(found[5].kind, ConflictKind::kReadAfterWrite);
  EXPECT_EQ(found[5].missing, Missing::kDependency);
  EXPECT_EQ(found[5].first.ticket, 1U);
  EXPECT_EQ(found[5].first.lane, 5U);
  EXPECT_EQ(found[5].second.ticket, 2U);
  EXPECT_EQ(found[5].second.lane, 5U);
  EXPECT_EQ(found[5].address, begin + 20);
}

TEST_F(Detection, FindsAWriteOverAnUnorderedRead) {
  read(grid(1), 0);
  write(grid(2), 64, 1);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].kind, ConflictKind::kWriteAfterRead);
  EXPECT_EQ(found[0].first.lane, 16U);
}

TEST_F(Detection, FindsAWriteOverAnUnorderedWrite) {
  write(grid(1), 0, 1);
  write(grid(2), 0, 1);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].kind, ConflictKind::kWriteAfterWrite);
}

TEST_F(Detection, LooksAtWhatIsNotOrderedAmongWhatIs) {
  write(grid(1), 0);
  detector.order().complete(1);
  for (const Ticket ticket : {2, 3}) {
    detector.order().submit(ticket, {{1, DependencyKind::kFull}});
  }
  ClusterOrder& second = grid(2, 1, 1);
  ClusterOrder& third = grid(3, 1, 1);
  write(second, 128);
  read(third, 0);
  EXPECT_TRUE(found.empty());
  read(third, 128);
  ASSERT_EQ(found.size(), 32U);
  EXPECT_EQ(found[0].first.ticket, 2U);
  write(second, 0, 1);
  ASSERT_EQ(found.size(), 33U);
  EXPECT_EQ(found[32].second.ticket, 3U);
}

TEST_F(Detection, NamesTheEarlierLaunchFirstAlsoWhereTheLaterRanAhead) {
  ClusterOrder& producer = grid(1);
  read(grid(2), 0, 1);
  write(producer, 0, 1);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].kind, ConflictKind::kReadAfterWrite);
  EXPECT_EQ(found[0].first.ticket, 1U);
  EXPECT_EQ(found[0].first.site.kind, AccessKind::kWrite);
}

TEST_F(Detection, IsSilentAboutReadsAndAboutOneWarp) {
  ClusterOrder& first = grid(1);
  read(first, 0);
  read(grid(2), 0);
  write(first, 4096);
  read(first, 4096);
  write(first, 4096);
  EXPECT_TRUE(found.empty());
}

TEST_F(Detection, RemembersEveryUnorderedReader) {
  for (Ticket ticket = 1; ticket <= 5; ++ticket) read(grid(ticket), 0, 1);
  detector.order().submit(6, {});
  for (Ticket ticket = 1; ticket <= 4; ++ticket) detector.order().complete(ticket);
  // After all readers but the second.
  detector.order().submit(7, {{1, DependencyKind::kFull},
                              {3, DependencyKind::kFull},
                              {4, DependencyKind::kFull},
                              {5, DependencyKind::kFull}});
  clusters.push_back(detector.order().start_cluster(7, 0, 1, 1));
  write(*clusters.back(), 0, 1);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].first.ticket, 2U);
}

TEST_F(Detection, ForgetsReadersThatALaterReaderIsBehind) {
  read(grid(1), 0, 1);
  detector.order().complete(1);
  detector.order().submit(2, {{1, DependencyKind::kFull}});
  clusters.push_back(detector.order().start_cluster(2, 0, 1, 1));
  read(*clusters.back(), 0, 1);
  detector.order().complete(2);
  detector.order().submit(3, {{2, DependencyKind::kFull}});
  clusters.push_back(detector.order().start_cluster(3, 0, 1, 1));
  write(*clusters.back(), 0, 1);
  EXPECT_TRUE(found.empty());
}

// --- Bytes.

TEST_F(Detection, SeesSingleBytes) {
  ClusterOrder& first = grid(1);
  ClusterOrder& second = grid(2);
  write(first, 5, 1, 1);
  read(second, 4, 1, 1);
  read(second, 6, 1, 2);
  EXPECT_TRUE(found.empty());
  read(second, 4, 1, 4);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].address, begin + 5);
  EXPECT_EQ(found[0].bytes, 1U);
}

TEST_F(Detection, KeepsNeighborsOfNarrowLanesApart) {
  ClusterOrder& first = grid(1);
  ClusterOrder& second = grid(2);
  write(first, 2, 8, 2);    // bytes 2 to 17
  write(second, 0, 1, 2);   // before
  write(second, 18, 1, 2);  // after
  EXPECT_TRUE(found.empty());
  write(second, 16, 1, 2);
  ASSERT_EQ(found.size(), 2U) << "one for each byte, where the bytes of a cell differ";
  EXPECT_EQ(found[0].first.lane, 7U);
  EXPECT_EQ(found[1].first.lane, 7U);
}

TEST_F(Detection, NamesTheLaneOfANarrowAccessInsideACell) {
  ClusterOrder& first = grid(1);
  write(first, 0, 32, 2);
  read(grid(2), 6, 1, 2);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].first.lane, 3U);
}

TEST_F(Detection, OverwritesSplitCells) {
  ClusterOrder& first = grid(1);
  write(first, 1, 1, 1);
  write(first, 0, 32, 4);
  read(first, 2, 1, 1);
  write(first, 0, 32, 4);
  EXPECT_TRUE(found.empty());
  read(grid(2), 3, 1, 1);
  EXPECT_EQ(found.size(), 1U);
}

TEST_F(Detection, SeesWideLanes) {
  write(grid(1), 0, 32, 16);
  read(grid(2), 16 * 9 + 12, 1, 4);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].first.lane, 9U);
}

TEST_F(Detection, LeavesAddressesThatItDoesNotWatchAlone) {
  ClusterOrder& first = grid(1);
  access(first, AccessKind::kRead, 0, memory.size() + 4096, 1);
  EXPECT_TRUE(found.empty());
}

// --- Classes.

TEST_F(Detection, TellsAStoreOfTheSameValue) {
  ClusterOrder& first = grid(1);
  write(first, 0, 1);
  value = 0;  // the next store writes what is there
  write(grid(2), 0, 1);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].special, ConflictClass::kSameValue);
}

TEST_F(Detection, IsSilentAboutStrongAccessesAmongThemselves) {
  access(grid(1), AccessKind::kAtomic, 2, 0, 1, 4, true);
  access(grid(2), AccessKind::kAtomic, 2, 0, 1, 4, true);
  access(grid(3), AccessKind::kRead, 3, 0, 1, 4, true);
  EXPECT_TRUE(found.empty());
  read(grid(4), 0, 1);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].special, ConflictClass::kAtomic);
}

TEST_F(Detection, TellsAReadOfBytesThatAreNotUsed) {
  detector.uses_byte = [](const Site&, uint32_t byte) { return byte < 8; };
  ClusterOrder& first = grid(1);
  write(first, 12, 1);
  read(grid(2), 0, 1, 16);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].special, ConflictClass::kOverRead);
}

TEST_F(Detection, TellsThatAChainOfWaitsIsBroken) {
  write(grid(1), 0, 1);
  detector.order().complete(1);
  detector.order().submit(2, {{1, DependencyKind::kProgrammatic}});
  detector.order().complete(2);
  detector.order().submit(3, {{2, DependencyKind::kProgrammatic}});
  clusters.push_back(detector.order().start_cluster(3, 0, 1, 1));
  clusters.back()->wait_for_grids(0, kAllLanes);
  read(*clusters.back(), 0, 1);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].special, ConflictClass::kTransitive);
  EXPECT_EQ(found[0].missing, Missing::kChain);
}

TEST_F(Detection, AsksForAProxyFenceBeforeABulkCopy) {
  ClusterOrder& producer = grid(1);
  write(producer, 0, 1);
  ClusterOrder* const fenced = &producer;
  detector.order().complete(1);
  const auto bulk_read = [&](Ticket ticket) {
    detector.order().submit(ticket, {{1, DependencyKind::kProgrammatic}});
    clusters.push_back(detector.order().start_cluster(ticket, 0, 1, 1));
    clusters.back()->wait_for_grids(0, kAllLanes);
    detector.history().site(sites + 4).async_proxy = true;
    access(*clusters.back(), AccessKind::kRead, 4, 0, 1);
  };
  bulk_read(2);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].special, ConflictClass::kProxy);
  detector.order().fence_proxy(*fenced, 0);
  bulk_read(3);
  EXPECT_EQ(found.size(), 1U);
}

// --- Within a grid.

TEST_F(Detection, NamesTheBarrierThatIsMissing) {
  ClusterOrder& cta = grid(1, 2);
  access(cta, AccessKind::kWrite, 1, 0, 1, 4, false, 0);
  access(cta, AccessKind::kRead, 0, 0, 1, 4, false, 1);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].missing, Missing::kCtaSync);
  read(grid(1, 1, 1), 0, 1);
  ASSERT_EQ(found.size(), 2U);
  EXPECT_EQ(found[1].missing, Missing::kGridSync);
}

TEST_F(Detection, StartsAfreshOnceTheHostHasWaitedForEverything) {
  write(grid(1), 0);
  read(grid(2), 4096);
  detector.order().complete(1);
  detector.order().complete(2);
  EXPECT_FALSE(detector.host_waited(1));
  EXPECT_TRUE(detector.host_waited(2));
  ClusterOrder& third = grid(3);
  write(third, 0);
  write(third, 4096);
  EXPECT_TRUE(found.empty());
}

}  // namespace
}  // namespace slipstream::emulator::race
