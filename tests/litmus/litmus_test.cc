// Runs every experiment once: on a GPU, or on the emulated device with its adversarial schedule.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <string>

#include "litmus/experiment.h"
#include "litmus/report.h"
#include "litmus/rig.h"

namespace slipstream::litmus {
namespace {

bool on_gpu() {
  cudaDeviceProp properties{};
  EXPECT_EQ(cudaGetDeviceProperties(&properties, 0), cudaSuccess);
  return std::string(properties.name).find("emulated") == std::string::npos;
}

// On the emulated device time is counted in instructions.
RigOptions quick() {
  if (on_gpu()) return {.iterations = 50};
  return {.iterations = 1,
          .delay_microseconds = 0.1,
          .blocks = 2,
          .timeout_seconds = 100,
          .without_traffic = true};
}

Rig& rig() {
  static Rig instance(quick());
  return instance;
}

const Experiment& experiment(const std::string& name) {
  const auto found = std::ranges::find(experiments(), name, &Experiment::name);
  if (found == experiments().end()) throw std::out_of_range(name);
  return *found;
}

int observed(const Case& test) {
  int count = 0;
  for (const Observation& observation : observe(rig(), {test}).observations) {
    EXPECT_EQ(observation.refused, "") << observation.label;
    count += observation.observed;
  }
  return count;
}

const Script kLateWriter{wait(), trigger(), delay(), write(1)};

TEST(Litmus, SeesAReaderThatNeverWaits) {
  EXPECT_GT(
      observed({.label = "never waits", .chain = {normal(kLateWriter), dependent({read(1)})}}), 0);
}

TEST(Litmus, SeesNothingWhereTheReaderWaits) {
  EXPECT_EQ(
      observed({.label = "waits", .chain = {normal(kLateWriter), dependent({wait(), read(1)})}}),
      0);
}

TEST(Litmus, SeesAWrongValueInTheSlotThatIsAskedFor) {
  const Case test{.label = "expects what nobody writes",
                  .chain = {normal({write(1)}), normal({read(2).counted_in(3)})},
                  .sees = [](const Slots& slots) { return slots[3].wrong > 0; }};
  EXPECT_GT(observed(test), 0);
}

TEST(Litmus, RefusesACaseThatReadsNothing) {
  EXPECT_THROW(observed({.label = "reads nothing", .chain = {normal({trigger()})}}),
               std::logic_error);
}

TEST(Litmus, ReportsWhatTheRuntimeRefuses) {
  Kernel too_large = normal({read(1)});
  too_large.cluster = 64;
  const Findings findings =
      observe(rig(), {{.label = "cluster of 64", .chain = {too_large}, .graph = false}});
  EXPECT_NE(findings.observations.front().refused, "");
}

class Experiments : public testing::TestWithParam<std::string> {};

TEST_P(Experiments, BreakNoPromiseOfTheDocuments) {
  const Findings findings = experiment(GetParam()).run(rig());
  EXPECT_FALSE(findings.observations.empty() && findings.facts.empty());
  for (const Observation& observation : findings.observations) {
    EXPECT_EQ(observation.refused, "") << observation.label;
    EXPECT_GT(observation.runs, 0) << observation.label;
    EXPECT_FALSE(breaks_promise(observation)) << observation.label;
  }
}

std::vector<std::string> names() {
  std::vector<std::string> result;
  for (const Experiment& each : experiments()) result.push_back(each.name);
  return result;
}

INSTANTIATE_TEST_SUITE_P(All, Experiments, testing::ValuesIn(names()), [](const auto& name) {
  std::string text = name.param;
  std::ranges::replace(text, '-', '_');
  return text;
});

}  // namespace
}  // namespace slipstream::litmus
