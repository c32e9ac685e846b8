// Runs the programs that go wrong between devices, each in a process of its own, and reads what the
// emulated devices say.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <string>

#include "../programs/run_program.h"

namespace {

constexpr const char* kSchedules[] = {"serial", "overlapped", "adversarial"};

Outcome run(const char* program, const std::string& name, const std::string& schedule,
            const std::string& settings = "") {
  return run_emulated(
      fmt::format("SLIPSTREAM_EMULATOR_DEVICES=2 SLIPSTREAM_EMULATOR_POLL_SECONDS=1 "
                  "SLIPSTREAM_EMULATOR_SCHEDULE={} {}",
                  schedule, settings),
      fmt::format("{} {}", program, name));
}

Outcome run_fault(const std::string& name, const std::string& schedule) {
  return run(FAULTS_PROGRAM, name, schedule);
}

// What the race check writes, a line of JSON for each finding.
std::string findings(const std::string& name, const std::string& schedule) {
  const Outcome outcome =
      run(RACES_PROGRAM, name, schedule, "SLIPSTREAM_EMULATOR_CHECK=/dev/stderr");
  EXPECT_TRUE(outcome.exited_well) << outcome.text;
  EXPECT_NE(outcome.text.find("\"grids\":"), std::string::npos) << outcome.text;
  return outcome.text;
}

// "device_faults.cu:12" for the line that ends in `mark`.
std::string line_marked(const char* file, const std::string& mark) {
  std::ifstream source(fmt::format("{}/{}", SOURCES, file));
  std::string line;
  for (int number = 1; std::getline(source, line); ++number) {
    if (line.ends_with("// " + mark)) return fmt::format("{}:{}:", file, number);
  }
  return "no line is marked " + mark;
}

TEST(DeviceFault, NamesBothDevicesWhereThereIsNoPeerAccess) {
  for (const char* schedule : kSchedules) {
    const Outcome outcome = run_fault("no_access", schedule);
    EXPECT_TRUE(
        contains(outcome.text, "emulated device 1: no peer access: device 1 accesses 4 bytes"));
    EXPECT_TRUE(contains(outcome.text, "byte 12 of cudaMalloc #1"));
    EXPECT_TRUE(contains(outcome.text, "of device 0, without peer access to it"));
    EXPECT_TRUE(contains(outcome.text, line_marked("device_faults.cu", "BUG: no access")));
    EXPECT_TRUE(contains(outcome.text, "device 1: cudaErrorIllegalAddress\n"));
  }
}

TEST(DeviceFault, RuinsItsOwnDeviceOnly) {
  const Outcome outcome = run_fault("no_access", "serial");
  EXPECT_TRUE(contains(outcome.text, "device 0: cudaSuccess\n"));
  EXPECT_TRUE(contains(outcome.text, "device 0 later: cudaSuccess, holds 1\n"));
  EXPECT_TRUE(outcome.exited_well);
}

TEST(DeviceFault, IsFoundAfterPeerAccessWasDisabled) {
  EXPECT_TRUE(contains(run_fault("disabled", "serial").text, "no peer access"));
}

TEST(DeviceFault, IsFoundInMemoryOfAPool) {
  const Outcome outcome = run_fault("pool", "serial");
  EXPECT_TRUE(contains(outcome.text, "no peer access"));
  EXPECT_TRUE(contains(outcome.text, "cudaMallocAsync #3"));
}

TEST(DeviceFault, IsFoundInFreedMemoryOfAPeer) {
  for (const char* name : {"freed", "freed_while_polled"}) {
    for (const char* schedule : kSchedules) {
      const Outcome outcome = run_fault(name, schedule);
      EXPECT_TRUE(contains(outcome.text, "emulated device 1: use after free"));
      EXPECT_TRUE(contains(outcome.text, "device 1: cudaErrorIllegalAddress\n"));
    }
  }
}

TEST(Deadlock, IsReportedWithDeviceWordAndLaunch) {
  for (const char* schedule : kSchedules) {
    const Outcome outcome = run_fault("deadlock", schedule);
    const std::string line = line_marked("device_faults.cu", "BUG: nobody writes");
    EXPECT_TRUE(contains(outcome.text, "emulated device 0: deadlock: "));
    EXPECT_TRUE(contains(outcome.text, "emulated device 1: deadlock: "));
    EXPECT_TRUE(contains(outcome.text, "CTA (0, 0, 0), warp 0 polls 4 bytes at "));
    EXPECT_TRUE(contains(outcome.text, "byte 4 of cudaMalloc #2"));
    EXPECT_TRUE(contains(outcome.text, "of device 1, which holds 0x0"));
    EXPECT_TRUE(contains(outcome.text, "byte 8 of cudaMalloc #1"));
    EXPECT_TRUE(contains(outcome.text, line));
    EXPECT_TRUE(contains(outcome.text, "device 0: cudaErrorLaunchTimeout\n"));
    EXPECT_TRUE(contains(outcome.text, "device 1: cudaErrorLaunchTimeout\n"));
  }
}

TEST(Deadlock, DoesNotKeepAProgramThatEnds) {
  for (const char* schedule : kSchedules) {
    const Outcome outcome = run_fault("left_polling", schedule);
    EXPECT_TRUE(outcome.exited_well);
    EXPECT_EQ(outcome.text, "");
  }
}

// What a program prints, by seed.
std::set<std::string> texts_of_seeds(const char* program, const char* variant) {
  std::set<std::string> seen;
  for (int seed = 1; seed <= 12; ++seed) {
    const std::string setting = fmt::format("SLIPSTREAM_EMULATOR_SEED={}", seed);
    seen.insert(run(program, variant, "adversarial", setting).text);
  }
  return seen;
}

// What the reader of two words finds in the first once it has seen the second.
std::set<std::string> first_words(const char* variant) {
  return texts_of_seeds(LATE_STORES_PROGRAM, variant);
}

TEST(LateStores, ArriveInAnyOrderWithoutAFence) {
  EXPECT_EQ(first_words("plain"), (std::set<std::string>{"0\n", "1\n"}));
  EXPECT_EQ(run(LATE_STORES_PROGRAM, "plain", "serial").text, "1\n");
}

TEST(LateStores, ArriveBeforeWhatFollowsAFence) {
  EXPECT_EQ(first_words("fenced"), (std::set<std::string>{"1\n"}));
}

// Where both have turns alike, one is never far behind the other.
TEST(AdversarialSchedule, LetsEitherDeviceFallBehindAsFarAsItCan) {
  const std::set<std::string> done_by_the_other = texts_of_seeds(LEFT_BEHIND_PROGRAM, "");
  EXPECT_TRUE(done_by_the_other.contains("0\n"));
  EXPECT_TRUE(done_by_the_other.contains("16\n"));
}

class OrderedDevices : public testing::TestWithParam<const char*> {};

TEST_P(OrderedDevices, DoNotRace) {
  for (const char* schedule : kSchedules) {
    const std::string text = findings(GetParam(), schedule);
    EXPECT_EQ(text.find("\"severity\""), std::string::npos) << schedule << ": " << text;
  }
}
INSTANTIATE_TEST_SUITE_P(ByWhat, OrderedDevices,
                         testing::Values("relaxed", "event", "host", "release", "fence"),
                         [](const auto& info) { return std::string(info.param); });

class UnorderedDevices : public testing::TestWithParam<const char*> {};

TEST_P(UnorderedDevices, RaceInEverySchedule) {
  for (const char* schedule : kSchedules) {
    const std::string text = findings(GetParam(), schedule);
    EXPECT_TRUE(contains(text, "\"severity\":\"error\""));
    EXPECT_TRUE(contains(text, "\"device\":0"));
    EXPECT_TRUE(contains(text, "\"device\":1"));
    EXPECT_TRUE(contains(text, "at system scope"));
    EXPECT_TRUE(contains(text, "of device 0\""));
  }
}
INSTANTIATE_TEST_SUITE_P(ByWhat, UnorderedDevices,
                         testing::Values("plain_store", "plain_load", "device_scope", "no_release",
                                         "device_fence"),
                         [](const auto& info) { return std::string(info.param); });

}  // namespace
