// What a schedule decides is the same in every run with the same seed, on any number of host
// threads.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "run_program.h"

namespace {

std::string readers(const std::string& settings) {
  const Outcome outcome = run_emulated(settings, UNORDERED_READERS_PROGRAM);
  EXPECT_TRUE(outcome.exited_well) << outcome.text;
  return outcome.text;
}

std::string adversarial(int seed, int threads) {
  return readers("SLIPSTREAM_EMULATOR_SCHEDULE=adversarial SLIPSTREAM_EMULATOR_SEED=" +
                 std::to_string(seed) + " SLIPSTREAM_EMULATOR_THREADS=" + std::to_string(threads));
}

TEST(Schedule, RepeatsItselfWithTheSameSeed) {
  for (int seed = 1; seed <= 3; ++seed) EXPECT_EQ(adversarial(seed, 1), adversarial(seed, 1));
}

TEST(Schedule, DoesNotDependOnTheNumberOfThreads) {
  for (int seed = 1; seed <= 3; ++seed) EXPECT_EQ(adversarial(seed, 1), adversarial(seed, 2));
  const std::string overlapped = "SLIPSTREAM_EMULATOR_SCHEDULE=overlapped ";
  EXPECT_EQ(readers(overlapped + "SLIPSTREAM_EMULATOR_THREADS=1"),
            readers(overlapped + "SLIPSTREAM_EMULATOR_THREADS=2"));
}

TEST(Schedule, IsAnotherOneWithAnotherSeed) {
  std::set<std::string> seen;
  for (int seed = 1; seed <= 4; ++seed) seen.insert(adversarial(seed, 1));
  EXPECT_GT(seen.size(), 1U);
}

TEST(Schedule, LetsEveryReaderSeeTheNewValueIfSerial) {
  const std::string serial = readers("SLIPSTREAM_EMULATOR_SCHEDULE=serial");
  EXPECT_EQ(serial.find("0 128 128 "), 0U) << serial;
  EXPECT_NE(serial, adversarial(1, 1));
}

}  // namespace
