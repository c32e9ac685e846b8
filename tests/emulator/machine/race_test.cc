// The race check on the device: small kernels in PTX, one for each thing that orders threads or
// grids, or fails to.
#include <gtest/gtest.h>

#include <algorithm>

#include "emulator/machine/race_program.h"

namespace slipstream::emulator::race_test {
namespace {

class Races : public RaceTest {};

// --- Warps of a CTA.

TEST_F(Races, FindsAMissingBarrierBetweenWarps) {
  const auto found = run_one(fmt::format("  st.global.u32 [%rd3], %r1;\n{}", kReadOther));
  const auto read = std::find_if(found.begin(), found.end(), [](const RaceFinding& one) {
    return one.kind == "read-after-write";
  });
  ASSERT_NE(read, found.end());
  EXPECT_EQ(read->severity, "error");
  EXPECT_NE(read->missing.find("one CTA"), std::string::npos);
  EXPECT_EQ(read->allocation.find("a ("), 0U) << read->allocation;
  EXPECT_EQ(read->first.thread[0], 0U);
  EXPECT_EQ(read->second.thread[0], 32U);
}

TEST_F(Races, TakesABarrierForOrder) {
  EXPECT_TRUE(
      run_one(fmt::format("  st.global.u32 [%rd3], %r1;\n  bar.sync 0;\n{}", kReadOther)).empty());
}

TEST_F(Races, WantsABarrierBetweenAReadAndTheNextWriteToo) {
  const std::string body = fmt::format("{}  st.global.u32 [%rd3], %r1;\n", kReadOther);
  const auto found = run_one(body);
  ASSERT_FALSE(found.empty());
  // Warp 0 reads what warp 1 then writes; warp 1 reads what warp 0 has written.
  EXPECT_TRUE(std::any_of(found.begin(), found.end(),
                          [](const RaceFinding& one) { return one.kind == "write-after-read"; }));
  EXPECT_TRUE(
      run_one(fmt::format("{}  bar.sync 0;\n  st.global.u32 [%rd3], %r1;\n", kReadOther)).empty());
}

TEST_F(Races, TakesAnMbarrierForOrder) {
  constexpr std::string_view kBody = R"(
  mov.u32 %r10, barrier;
  @%p1 mbarrier.init.shared.b64 [%r10], 64;
  bar.sync 0;
  st.global.u32 [%rd3], %r1;
  {}
again:
  mbarrier.try_wait.parity.shared.b64 %p2, [%r10], 0;
  @!%p2 bra again;
)";
  const std::string text(kBody);
  const size_t hole = text.find("{}");
  const auto with = [&](std::string_view arrive) {
    return text.substr(0, hole) + std::string(arrive) + text.substr(hole + 2) +
           std::string(kReadOther);
  };
  EXPECT_TRUE(run_one(with("mbarrier.arrive.shared.b64 %rd9, [%r10];")).empty());
}

// --- CTAs of a grid.

// CTA 0 writes and sets the flag in b; CTA 1 waits for it and reads what CTA 0 wrote.
std::string hand_over(std::string_view release, std::string_view read_flag) {
  return fmt::format(R"(
  setp.eq.u32 %p2, %r2, 1;
  @%p2 bra reader;
  st.global.u32 [%rd3], %r1;
  bar.sync 0;
  mov.u32 %r9, 1;
  {}
  ret;
reader:
  {}
  setp.eq.u32 %p3, %r8, 0;
  @%p3 bra reader;
  mad.wide.u32 %rd5, %r1, 4, %rd1;
  ld.global.u32 %r5, [%rd5];
)",
                     release, read_flag);
}

TEST_F(Races, TakesReleaseAndAcquireForOrder) {
  EXPECT_TRUE(run_one(hand_over("@%p1 st.release.gpu.global.u32 [%rd2], %r9;",
                                "ld.acquire.gpu.global.u32 %r8, [%rd2];"),
                      2)
                  .empty());
}

TEST_F(Races, TakesFencesAroundRelaxedAccessesForOrder) {
  EXPECT_TRUE(
      run_one(hand_over("@%p1 fence.acq_rel.gpu;\n  @%p1 st.relaxed.gpu.global.u32 [%rd2], %r9;",
                        "ld.relaxed.gpu.global.u32 %r8, [%rd2];\n  fence.acq_rel.gpu;"),
              2)
          .empty());
}

TEST_F(Races, WantsARelease) {
  const auto found = run_one(hand_over("@%p1 st.relaxed.gpu.global.u32 [%rd2], %r9;",
                                       "ld.acquire.gpu.global.u32 %r8, [%rd2];"),
                             2);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_NE(found[0].missing.find("release and acquire"), std::string::npos);
}

TEST_F(Races, WantsAnAcquire) {
  EXPECT_EQ(run_one(hand_over("@%p1 st.release.gpu.global.u32 [%rd2], %r9;",
                              "ld.relaxed.gpu.global.u32 %r8, [%rd2];"),
                    2)
                .size(),
            1U);
}

TEST_F(Races, TakesAtomicsForNoRaceAmongThemselves) {
  EXPECT_TRUE(run_one("  atom.global.add.u32 %r5, [%rd1], 1;\n", 4).empty());
  const auto found =
      run_one("  atom.global.add.u32 %r5, [%rd1], 1;\n  ld.global.u32 %r6, [%rd1];\n", 2);
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0].special, "atomic");
}

TEST_F(Races, TellsThatAStoreWritesWhatIsThere) {
  const auto found = run_one("  mov.u32 %r9, 7;\n  st.global.u32 [%rd1], %r9;\n", 2);
  ASSERT_FALSE(found.empty());
  EXPECT_TRUE(std::any_of(found.begin(), found.end(), [](const RaceFinding& one) {
    return one.special == "same-value" && one.severity == "warning";
  }));
}

TEST_F(Races, TakesTheClusterBarrierForOrder) {
  constexpr std::string_view kOther =
      "  xor.b32 %r4, %r3, 64;\n  mad.wide.u32 %rd5, %r4, 4, %rd1;\n  ld.global.u32 %r5, [%rd5];\n";
  const std::string store = "  st.global.u32 [%rd3], %r1;\n";
  const auto found = run_one(store + std::string(kOther), 2, 2);
  ASSERT_FALSE(found.empty());
  EXPECT_NE(found[0].missing.find("one cluster"), std::string::npos);
  EXPECT_TRUE(run_one(store +
                          "  barrier.cluster.arrive.aligned;\n  barrier.cluster.wait.aligned;\n" +
                          std::string(kOther),
                      2, 2)
                  .empty());
  EXPECT_FALSE(run_one(store +
                           "  barrier.cluster.arrive.relaxed.aligned;\n"
                           "  barrier.cluster.wait.aligned;\n" +
                           std::string(kOther),
                       2, 2)
                   .empty())
      << "a relaxed arrival releases nothing";
}

// --- Grids.

const std::string kProduce = kernel("produce", "  st.global.u32 [%rd3], %r1;\n");
const std::string kConsume = kernel("consume",
                                    "  griddepcontrol.wait;\n  ld.global.u32 %r5, [%rd3];\n"
                                    "  st.global.u32 [%rd4], %r5;\n");

TEST_F(Races, FindsAReadBeforeTheWaitInEverySchedule) {
  const std::string hasty =
      kernel("hasty", "  ld.global.u32 %r5, [%rd3];\n  griddepcontrol.wait;\n");
  for (const Schedule schedule :
       {Schedule::kSerial, Schedule::kOverlapped, Schedule::kAdversarial}) {
    const auto found = run({kProduce, hasty}, {{"produce"}, {"hasty", true}}, schedule);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].kind, "read-after-write");
    EXPECT_EQ(found[0].first.kernel, "produce");
    EXPECT_EQ(found[0].second.kernel, "hasty");
    EXPECT_FALSE(found[0].second.waited);
    EXPECT_TRUE(run({kProduce, hasty}, {{"produce"}, {"hasty"}}, schedule).empty())
        << "launched without the attribute";
    EXPECT_TRUE(run({kProduce, kConsume}, {{"produce"}, {"consume", true}}, schedule).empty());
  }
}

TEST_F(Races, FindsAnOverwriteOfWhatTheGridBeforeStillReads) {
  const std::string reader = kernel("reader", "  ld.global.u32 %r5, [%rd3];\n");
  const std::string writer = kernel(
      "writer", "  add.u32 %r9, %r1, 1;\n  st.global.u32 [%rd3], %r9;\n  griddepcontrol.wait;\n");
  for (const Schedule schedule :
       {Schedule::kSerial, Schedule::kOverlapped, Schedule::kAdversarial}) {
    const auto found = run({reader, writer}, {{"reader"}, {"writer", true}}, schedule);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_EQ(found[0].kind, "write-after-read");
    EXPECT_EQ(found[0].first.kernel, "reader");
  }
}

// Thread 0 waits; then all read.
std::string one_waits(std::string_view name, std::string_view between) {
  return kernel(
      name,
      fmt::format("  @%p1 griddepcontrol.wait;\n  {}\n  ld.global.u32 %r5, [%rd3];\n", between));
}

TEST_F(Races, WantsABarrierBehindAWaitOfOneThread) {
  const std::vector<std::string> kernels = {kProduce, one_waits("alone", ""),
                                            one_waits("in_warp", "bar.warp.sync 0xffffffff;"),
                                            one_waits("in_cta", "bar.sync 0;")};
  const auto alone = run(kernels, {{"produce"}, {"alone", true}});
  ASSERT_EQ(alone.size(), 1U);
  EXPECT_EQ(alone[0].count, kThreads - 1) << "all but the thread that waited";
  const auto in_warp = run(kernels, {{"produce"}, {"in_warp", true}});
  ASSERT_EQ(in_warp.size(), 1U);
  EXPECT_EQ(in_warp[0].count, kThreads / 2) << "the other warp";
  EXPECT_TRUE(run(kernels, {{"produce"}, {"in_cta", true}}).empty());
}

// Thread 0 waits and says so in shared memory, as `store` does it; all others poll for it, and read.
TEST_F(Races, TakesAFlagInSharedMemoryForWhatItsWriterHasWaitedFor) {
  const auto read_after = [&](std::string_view store) {
    const std::string reader = kernel("reader", fmt::format(R"(
  mov.u32 %r6, 1;
  mov.u32 %r7, 0;
  @%p1 st.shared.u32 [%r19], %r7;
  bar.sync 0;
  @!%p1 bra poll;
  griddepcontrol.wait;
  {}
poll:
  ld.acquire.cta.shared.u32 %r8, [%r19];
  setp.eq.u32 %p3, %r8, 0;
  @%p3 bra poll;
  ld.global.u32 %r5, [%rd3];
)",
                                                            store));
    return run({kProduce, reader}, {{"produce"}, {"reader", true}});
  };
  EXPECT_TRUE(read_after("st.release.cta.shared.u32 [%r19], %r6;").empty());
  EXPECT_TRUE(read_after("membar.cta;\n  st.volatile.shared.u32 [%r19], %r6;").empty());
  const auto without_a_fence = read_after("st.volatile.shared.u32 [%r19], %r6;");
  ASSERT_EQ(without_a_fence.size(), 1U);
  EXPECT_EQ(without_a_fence[0].count, kThreads - 1) << "all but the thread that waited";
}

TEST_F(Races, TakesAFenceBeforeTheTriggerForAHandOver) {
  const std::string fenced =
      kernel("fenced",
             "  st.global.u32 [%rd3], %r1;\n  fence.acq_rel.gpu;\n  bar.sync 0;\n"
             "  griddepcontrol.launch_dependents;\n");
  const std::string late =
      kernel("late",
             "  griddepcontrol.launch_dependents;\n  st.global.u32 [%rd3], %r1;\n"
             "  fence.acq_rel.gpu;\n");
  const std::string early = kernel("early", "  ld.global.u32 %r5, [%rd3];\n");
  EXPECT_TRUE(run({fenced, early}, {{"fenced"}, {"early", true}}).empty());
  EXPECT_EQ(run({late, early}, {{"late"}, {"early", true}}).size(), 1U);
}

TEST_F(Races, WarnsOfAChainThatAGridWithoutAWaitBreaks) {
  const std::string bystander = kernel("bystander", "");
  const std::string waiting = kernel("waiting", "  griddepcontrol.wait;\n");
  const std::vector<std::string> kernels = {kProduce, bystander, waiting, kConsume};
  const auto found =
      run(kernels, {{"produce"}, {"bystander", true}, {"consume", true}}, Schedule::kSerial);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].special, "transitive");
  EXPECT_EQ(found[0].severity, "warning");
  EXPECT_TRUE(run(kernels, {{"produce"}, {"waiting", true}, {"consume", true}}).empty());
  EXPECT_TRUE(run(kernels, {{"produce"}, {"bystander"}, {"consume", true}}).empty());
}

TEST_F(Races, ChecksCopiesAndFillsOfTheHostToo) {
  Settings settings;
  settings.check_races = true;
  TestDevice on(module_of({kProduce}), settings);
  const uint64_t a = on.upload(std::vector<uint32_t>(1024), "a");
  const auto produce = [&](std::vector<Dependency> dependencies) {
    KernelLaunch launch;
    launch.kernel = on.kernel("produce");
    launch.grid = {1, 1, 1};
    launch.block = {kThreads, 1, 1};
    launch.parameters.resize(16);
    std::memcpy(launch.parameters.data(), &a, 8);
    launch.dependencies = std::move(dependencies);
    return on.device.submit(launch);
  };
  const auto fill = [&](const std::vector<Ticket>& behind) {
    return on.device.submit([&on, a] { on.device.fill(a, 1, 4, 16); }, behind);
  };
  const Ticket first = produce({});
  fill({first});
  ASSERT_FALSE(on.device.run_all().has_value());
  EXPECT_TRUE(on.device.race_findings().empty());
  fill({});  // beside everything
  ASSERT_FALSE(on.device.run_all().has_value());
  const auto found = on.device.race_findings();
  ASSERT_FALSE(found.empty());
  EXPECT_EQ(found[0].second.kernel, "memset");
  EXPECT_TRUE(found[0].second.is_host);
}

TEST_F(Races, KnowsNoRaceOnceTheHostHasWaited) {
  Settings settings;
  settings.check_races = true;
  TestDevice on(module_of({kProduce}), settings);
  const uint64_t a = on.upload(std::vector<uint32_t>(1024), "a");
  for (int i = 0; i < 2; ++i) {
    KernelLaunch launch;
    launch.kernel = on.kernel("produce");
    launch.grid = {1, 1, 1};
    launch.block = {kThreads, 1, 1};
    launch.parameters.resize(16);
    std::memcpy(launch.parameters.data(), &a, 8);
    const Ticket ticket = on.device.submit(launch);
    ASSERT_FALSE(on.device.run_all().has_value());
    on.device.host_waited(ticket);
  }
  EXPECT_TRUE(on.device.race_findings().empty());
}

TEST_F(Races, SaysNothingWhileTheCheckIsOff) {
  TestDevice on(module_of({kProduce}));
  EXPECT_TRUE(on.device.race_findings().empty());
}

}  // namespace
}  // namespace slipstream::emulator::race_test
