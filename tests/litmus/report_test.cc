#include "litmus/report.h"

#include <gtest/gtest.h>

#include "io/json_reader.h"

namespace slipstream::litmus {
namespace {

Experiment experiment() {
  return {.name = "wait", .question = "Why?", .looked_for = "an old value", .run = nullptr};
}

Findings one(const Observation& observation) {
  return {.observations = {observation}, .facts = {}};
}

io::JsonReader observation_json(const Findings& findings) {
  const std::string text = json_report(experiment(), findings).text();
  return io::JsonReader::parse(text, "report").objects("observations").at(0);
}

TEST(LitmusReport, SaysInHowManyRunsSomethingWasObserved) {
  const Findings findings = one(
      {.label = "never waits", .promise = Promise::kMay, .observed = 3, .runs = 10, .refused = {}});
  EXPECT_NE(text_report(experiment(), findings).find("observed in 3 of 10 runs"),
            std::string::npos);
}

TEST(LitmusReport, ClaimsNoMoreThanThatItWasNotObserved) {
  const Findings findings =
      one({.label = "waits", .promise = Promise::kNever, .runs = 10, .refused = {}});
  const std::string text = text_report(experiment(), findings);
  EXPECT_NE(text.find("not observed in 10 runs"), std::string::npos);
  EXPECT_EQ(text.find("proved"), std::string::npos);
}

TEST(LitmusReport, ShowsABrokenPromise) {
  const Observation broken{
      .label = "waits", .promise = Promise::kNever, .observed = 1, .runs = 10, .refused = {}};
  EXPECT_TRUE(breaks_promise(broken));
  EXPECT_NE(text_report(experiment(), one(broken)).find("BREAKS"), std::string::npos);
  Observation unsaid = broken;
  unsaid.promise = Promise::kUnsaid;
  EXPECT_FALSE(breaks_promise(unsaid));
}

TEST(LitmusReport, TellsWhatTheRuntimeRefused) {
  const Findings findings = one({.label = "cooperative", .refused = "launch: not supported"});
  EXPECT_NE(text_report(experiment(), findings).find("refused"), std::string::npos);
  EXPECT_EQ(observation_json(findings).text("refused"), "launch: not supported");
}

TEST(LitmusReport, GivesProgramsTheSameNumbers) {
  const Findings findings = one({.label = "never waits",
                                 .mode = Mode::kGraph,
                                 .promise = Promise::kMay,
                                 .observed = 3,
                                 .runs = 10,
                                 .refused = {}});
  const io::JsonReader entry = observation_json(findings);
  EXPECT_EQ(entry.text("mode"), "graph");
  EXPECT_EQ(entry.text("documents"), "allowed");
  EXPECT_EQ(entry.integer("observed"), 3);
  EXPECT_EQ(entry.integer("runs"), 10);
}

}  // namespace
}  // namespace slipstream::litmus
