// The order of grids: what programmatic dependent launch promises, and nothing more.
#include <gtest/gtest.h>

#include <algorithm>

#include "emulator/instructions/lane_program.h"

namespace slipstream::emulator::schedule_test {
namespace {

// producer: (waits,) triggers, then writes `value` to buffer[ctaid]. consumer: reads buffer, before
// or after its wait, and adds what it read to out.
constexpr std::string_view kChain = R"(.version 9.0
.target sm_90a
.address_size 64
.visible .entry producer(.param .u64 buffer, .param .u64 value) {
  .reg .pred %p<4>; .reg .b32 %r<8>; .reg .b64 %rd<8>;
  ld.param.u64 %rd1, [buffer];
  ld.param.u64 %rd2, [value];
  griddepcontrol.wait;
  griddepcontrol.launch_dependents;
  mov.u32 %r1, 0;
spin:
  add.u32 %r1, %r1, 1;
  setp.lt.u32 %p1, %r1, 3000;
  @%p1 bra spin;
  mov.u32 %r2, %ctaid.x;
  mul.wide.u32 %rd3, %r2, 8;
  add.s64 %rd1, %rd1, %rd3;
  st.global.u64 [%rd1], %rd2;
  ret;
}
.visible .entry early_producer(.param .u64 buffer, .param .u64 value) {
  .reg .b32 %r<8>; .reg .b64 %rd<8>;
  ld.param.u64 %rd1, [buffer];
  ld.param.u64 %rd2, [value];
  mov.u32 %r2, %ctaid.x;
  mul.wide.u32 %rd3, %r2, 8;
  add.s64 %rd1, %rd1, %rd3;
  st.global.u64 [%rd1], %rd2;
  griddepcontrol.launch_dependents;
  ret;
}
.visible .entry fenced_producer(.param .u64 buffer, .param .u64 value) {
  .reg .b32 %r<8>; .reg .b64 %rd<8>;
  ld.param.u64 %rd1, [buffer];
  ld.param.u64 %rd2, [value];
  mov.u32 %r2, %ctaid.x;
  mul.wide.u32 %rd3, %r2, 8;
  add.s64 %rd1, %rd1, %rd3;
  st.global.u64 [%rd1], %rd2;
  fence.acq_rel.gpu;
  griddepcontrol.launch_dependents;
  ret;
}
.visible .entry bystander() { ret; }
.visible .entry waiting_consumer(.param .u64 buffer, .param .u64 out) {
  .reg .b32 %r<8>; .reg .b64 %rd<8>;
  ld.param.u64 %rd1, [buffer];
  ld.param.u64 %rd2, [out];
  mov.u32 %r2, %ctaid.x;
  mul.wide.u32 %rd3, %r2, 8;
  add.s64 %rd1, %rd1, %rd3;
  add.s64 %rd2, %rd2, %rd3;
  griddepcontrol.wait;
  ld.global.u64 %rd4, [%rd1];
  st.global.u64 [%rd2], %rd4;
  ret;
}
.visible .entry hasty_consumer(.param .u64 buffer, .param .u64 out) {
  .reg .b32 %r<8>; .reg .b64 %rd<8>;
  ld.param.u64 %rd1, [buffer];
  ld.param.u64 %rd2, [out];
  mov.u32 %r2, %ctaid.x;
  mul.wide.u32 %rd3, %r2, 8;
  add.s64 %rd1, %rd1, %rd3;
  add.s64 %rd2, %rd2, %rd3;
  ld.global.u64 %rd4, [%rd1];
  griddepcontrol.wait;
  st.global.u64 [%rd2], %rd4;
  ret;
}
)";

constexpr uint32_t kCtas = 6;
constexpr uint64_t kOld = 1;
constexpr uint64_t kNew = 2;

Settings settings_of(Schedule schedule, uint64_t seed = 0) {
  Settings settings;
  settings.schedule = schedule;
  settings.seed = seed;
  return settings;
}

class Chain {
 public:
  explicit Chain(Settings settings)
      : test_(std::string(kChain), std::move(settings)),
        buffer_(test_.upload(std::vector<uint64_t>(kCtas, kOld))),
        out_(test_.upload(std::vector<uint64_t>(kCtas, 0))) {}

  Ticket launch(std::string_view name, Ticket after, DependencyKind kind) {
    const bool consumes = name.ends_with("consumer");
    auto launch = name == "bystander" ? test_.launch({}, {kCtas, 1, 1}, {1, 1, 1}, name)
                                      : test_.launch({buffer_, consumes ? out_ : kNew},
                                                     {kCtas, 1, 1}, {1, 1, 1}, name);
    if (after != 0) {
      launch.dependencies = {{after, kind}};
    }
    return test_.device.submit(std::move(launch));
  }
  // How many CTAs of the consumer read the value from before the producer.
  size_t stale() {
    const auto fault = test_.device.run_all();
    EXPECT_FALSE(fault);
    const auto seen = test_.download<uint64_t>(out_, kCtas);
    return static_cast<size_t>(std::count(seen.begin(), seen.end(), kOld));
  }

 private:
  TestDevice test_;
  uint64_t buffer_;
  uint64_t out_;
};

size_t stale_of(std::string_view producer, std::string_view consumer, DependencyKind kind,
                Settings settings) {
  Chain chain(std::move(settings));
  const Ticket first = chain.launch(producer, 0, DependencyKind::kFull);
  chain.launch(consumer, first, kind);
  return chain.stale();
}

TEST(Schedule, WaitOrdersBehindTheProducerInEverySchedule) {
  EXPECT_EQ(stale_of("producer", "waiting_consumer", DependencyKind::kProgrammatic,
                     settings_of(Schedule::kSerial)),
            0U);
  EXPECT_EQ(stale_of("producer", "waiting_consumer", DependencyKind::kProgrammatic,
                     settings_of(Schedule::kOverlapped)),
            0U);
  for (uint64_t seed = 0; seed < 20; ++seed) {
    EXPECT_EQ(stale_of("producer", "waiting_consumer", DependencyKind::kProgrammatic,
                       settings_of(Schedule::kAdversarial, seed)),
              0U)
        << "seed " << seed;
  }
}
TEST(Schedule, OverlapShowsReadsBeforeTheWait) {
  EXPECT_EQ(stale_of("producer", "hasty_consumer", DependencyKind::kProgrammatic,
                     settings_of(Schedule::kSerial)),
            0U);
  EXPECT_EQ(stale_of("producer", "hasty_consumer", DependencyKind::kProgrammatic,
                     settings_of(Schedule::kOverlapped)),
            kCtas);
}
TEST(Schedule, FullDependenciesOrderEverything) {
  for (const Schedule schedule : {Schedule::kOverlapped, Schedule::kAdversarial}) {
    EXPECT_EQ(stale_of("producer", "hasty_consumer", DependencyKind::kFull, settings_of(schedule)),
              0U);
  }
}
TEST(Schedule, AdversarialHidesWritesThatCameBeforeTheTrigger) {
  // The value is written before the trigger, but nothing promises that it is visible.
  size_t stale = 0;
  for (uint64_t seed = 0; seed < 10; ++seed) {
    stale += stale_of("early_producer", "hasty_consumer", DependencyKind::kProgrammatic,
                      settings_of(Schedule::kAdversarial, seed));
  }
  EXPECT_GT(stale, 0U);
  EXPECT_EQ(stale_of("early_producer", "waiting_consumer", DependencyKind::kProgrammatic,
                     settings_of(Schedule::kAdversarial, 3)),
            0U);
}
TEST(Schedule, AFenceBeforeTheTriggerPublishes) {
  for (uint64_t seed = 0; seed < 10; ++seed) {
    EXPECT_EQ(stale_of("fenced_producer", "hasty_consumer", DependencyKind::kProgrammatic,
                       settings_of(Schedule::kAdversarial, seed)),
              0U)
        << "seed " << seed;
  }
}
TEST(Schedule, WaitCoversDirectPrerequisitesOnly) {
  // The grid in the middle never waits, so nothing orders the consumer after the producer.
  Chain chain(settings_of(Schedule::kOverlapped));
  const Ticket first = chain.launch("producer", 0, DependencyKind::kFull);
  const Ticket middle = chain.launch("bystander", first, DependencyKind::kProgrammatic);
  chain.launch("waiting_consumer", middle, DependencyKind::kProgrammatic);
  EXPECT_EQ(chain.stale(), kCtas);
}
TEST(Schedule, BlockStartOnlyNeedsEveryCtaToHaveStarted) {
  EXPECT_EQ(stale_of("producer", "hasty_consumer", DependencyKind::kBlockStart,
                     settings_of(Schedule::kOverlapped)),
            kCtas);
  EXPECT_EQ(stale_of("producer", "waiting_consumer", DependencyKind::kBlockStart,
                     settings_of(Schedule::kOverlapped)),
            0U);
}
TEST(Schedule, NoWaitCoversAKernelWhoseLaunchCompletionIsWaitedFor) {
  for (const char* const consumer : {"hasty_consumer", "waiting_consumer"}) {
    EXPECT_EQ(stale_of("producer", consumer, DependencyKind::kLaunchCompletion,
                       settings_of(Schedule::kOverlapped)),
              kCtas)
        << consumer;
  }
}
TEST(Schedule, RepeatsExactlyForTheSameSeed) {
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const auto once = stale_of("producer", "hasty_consumer", DependencyKind::kProgrammatic,
                               settings_of(Schedule::kAdversarial, seed));
    const auto again = stale_of("producer", "hasty_consumer", DependencyKind::kProgrammatic,
                                settings_of(Schedule::kAdversarial, seed));
    EXPECT_EQ(once, again) << "seed " << seed;
  }
}
TEST(Schedule, RunsHostOperationsInOrder) {
  for (const Schedule schedule :
       {Schedule::kSerial, Schedule::kOverlapped, Schedule::kAdversarial}) {
    TestDevice test(std::string(kChain), settings_of(schedule));
    const uint64_t buffer = test.upload(std::vector<uint64_t>(kCtas, kOld));
    const Ticket grid =
        test.device.submit(test.launch({buffer, kNew}, {kCtas, 1, 1}, {1, 1, 1}, "producer"));
    uint64_t seen = 0;
    const Ticket read = test.device.submit(
        [&] { seen = *reinterpret_cast<const uint64_t*>(buffer + 8 * (kCtas - 1)); }, {grid});
    EXPECT_FALSE(test.device.completed(read));
    EXPECT_FALSE(test.device.run_until(read));
    EXPECT_TRUE(test.device.completed(read));
    EXPECT_EQ(seen, kNew);
  }
}

}  // namespace
}  // namespace slipstream::emulator::schedule_test
