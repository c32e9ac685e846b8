#include "bench/decode_timeline.h"

#include <gtest/gtest.h>

#include <string>

#include "bench/decode_report.h"
#include "io/json_reader.h"
#include "slipstream/error.h"

namespace slipstream::bench {
namespace {

using instrument::CtaStamps;

MeasuredLaunch launch_of(const std::string& stage, int ctas, double bytes = 0) {
  MeasuredLaunch launch;
  launch.title = stage;
  launch.kernel = stage;
  launch.ctas = ctas;
  launch.bytes = bytes;
  return launch;
}

// Times in nanoseconds after 1,000,000.
CtaStamps stamp(uint32_t cta, uint64_t start, uint64_t trigger, uint64_t wait_return, uint64_t end,
                uint32_t sm = 0) {
  constexpr uint64_t kOrigin = 1'000'000;
  return {kOrigin + start, kOrigin + trigger, kOrigin + wait_return, kOrigin + end, cta, sm};
}

const std::vector<MeasuredLaunch> kLaunches{launch_of("first", 2), launch_of("second", 1),
                                            launch_of("first", 2)};

// The second launch starts while the first runs; the CTAs lie in no order.
std::vector<CtaStamps> overlapping_step() {
  return {stamp(1, 7000, 7100, 9500, 10000), stamp(0, 500, 3100, 4500, 6000),
          stamp(0, 0, 100, 200, 3000), stamp(0, 6500, 7200, 9000, 9900),
          stamp(1, 50, 2000, 300, 4000, 7)};
}

std::string error_of(const std::vector<CtaStamps>& stamps) {
  try {
    (void)launch_times(stamps, kLaunches);
  } catch (const Error& error) {
    return error.what();
  }
  return "none";
}

TEST(LaunchTimes, AreThoseOfTheFirstAndLastCtaOfEachLaunch) {
  const std::vector<LaunchTimes> times = launch_times(overlapping_step(), kLaunches);
  ASSERT_EQ(times.size(), 3);
  EXPECT_DOUBLE_EQ(times[0].start, 0);
  EXPECT_DOUBLE_EQ(times[0].trigger, 2);
  EXPECT_DOUBLE_EQ(times[0].wait_return, 0.2);
  EXPECT_DOUBLE_EQ(times[0].end, 4);
  EXPECT_DOUBLE_EQ(times[1].start, 0.5);
  EXPECT_DOUBLE_EQ(times[1].wait_return, 4.5);
  EXPECT_DOUBLE_EQ(times[2].start, 6.5);
  EXPECT_DOUBLE_EQ(times[2].end, 10);
}

TEST(LaunchTimes, KnowTheWorkOfACtaOnAverage) {
  // 2.8 and 3.7 us.
  EXPECT_DOUBLE_EQ(launch_times(overlapping_step(), kLaunches)[0].cta_work, 3.25);
}

TEST(LaunchTimes, KnowOnHowManySmsALaunchRan) {
  const std::vector<LaunchTimes> times = launch_times(overlapping_step(), kLaunches);
  EXPECT_DOUBLE_EQ(times[0].sms, 2);
  EXPECT_DOUBLE_EQ(times[2].sms, 1);
}

TEST(Stamps, AreALineForEachCtaInTheOrderOfLaunches) {
  std::vector<CtaStamps> step = overlapping_step();
  step[1].trigger = 0;
  const std::string text = stamps_text(kLaunches, stamps_by_launch(step, kLaunches));
  EXPECT_EQ(text.substr(0, text.find('\n')),
            "launch\tlayer\ttitle\tshared_bytes\tcta\tsm\tstart\ttrigger\twait_return\tend");
  EXPECT_EQ(text.substr(text.find('\n')),
            "\n0\t0\tfirst\t0\t0\t0\t0.000\t0.100\t0.200\t3.000"
            "\n0\t0\tfirst\t0\t1\t7\t0.050\t2.000\t0.300\t4.000"
            "\n1\t0\tsecond\t0\t0\t0\t0.500\t-1.000\t4.500\t6.000"
            "\n2\t0\tfirst\t0\t0\t0\t6.500\t7.200\t9.000\t9.900"
            "\n2\t0\tfirst\t0\t1\t0\t7.000\t7.100\t9.500\t10.000\n");
}

TEST(LaunchTimes, ExposedOnesSumUpToTheStep) {
  const std::vector<LaunchTimes> times = launch_times(overlapping_step(), kLaunches);
  EXPECT_DOUBLE_EQ(times[0].exposed, 4);
  EXPECT_DOUBLE_EQ(times[1].exposed, 2);
  EXPECT_DOUBLE_EQ(times[2].exposed, 4);
}

TEST(LaunchTimes, RefusesAStepWithoutAllItsCtas) {
  std::vector<CtaStamps> stamps = overlapping_step();
  stamps.pop_back();
  EXPECT_EQ(error_of(stamps), "trace: a step of 3 launches must leave stamps of 5 CTAs, left 4");
}

TEST(LaunchTimes, RefusesCtasThatDoNotFitTheirLaunch) {
  std::vector<CtaStamps> stamps = overlapping_step();
  stamps[4].wait_return = stamps[1].wait_return + 100;  // as if it belonged to the second launch
  EXPECT_NE(error_of(stamps).find("must have stamps of CTAs 0 to 1"), std::string::npos);
}

TEST(LaunchTimes, NameTheLaunchOfACtaThatDidNotWait) {
  std::vector<CtaStamps> stamps = overlapping_step();
  stamps[1].wait_return = 0;
  EXPECT_EQ(
      error_of(stamps),
      "trace: launch 1 (second): thread 0 of CTA 0 on SM 0 has not waited; it started at 0.500 "
      "us, triggered at 3.100 us and ended at 6.000 us");
}

TEST(MedianTimes, AreTakenLaunchByLaunch) {
  const auto step = [](double exposed) { return std::vector<LaunchTimes>{{.exposed = exposed}}; };
  EXPECT_DOUBLE_EQ(median_times({step(9), step(1), step(2)})[0].exposed, 2);
}

StepResult traced_result() {
  StepResult result;
  result.launches = {launch_of("first", 2, 1e6), launch_of("second", 1, 2e6),
                     launch_of("first", 2, 3e6)};
  result.traced_on = launch_times(overlapping_step(), result.launches);
  result.traced_off = result.traced_on;
  return result;
}

TEST(Stages, GatherTheirLaunchesInTheOrderOfTheirFirst) {
  const std::vector<StageSummary> stages = summarize_stages(traced_result());
  ASSERT_EQ(stages.size(), 2);
  EXPECT_EQ(stages[0].name, "first");
  EXPECT_EQ(stages[0].launches, 2);
  EXPECT_DOUBLE_EQ(stages[0].bytes, 4e6);
  EXPECT_DOUBLE_EQ(stages[0].pdl_on, 8);
  EXPECT_EQ(stages[1].name, "second");
}

TEST(Stages, DivideTheirTimeIntoHandOverAndWork) {
  const StageSummary second = summarize_stages(traced_result())[1];
  EXPECT_DOUBLE_EQ(second.hand_over, 0.5);
  EXPECT_DOUBLE_EQ(second.work, 1.5);
}

TEST(Timeline, ShowsEachLaunchBeforeAndBehindItsWait) {
  const StepResult result = traced_result();
  const auto json = io::JsonReader::parse(
      timeline_json(result.launches, result.traced_off, result.traced_on).text(), "text");
  std::vector<io::JsonReader> slices;
  for (const io::JsonReader& event : json.objects("traceEvents")) {
    if (event.text("ph") == "X" && event.integer("pid") == 1) slices.push_back(event);
  }
  ASSERT_EQ(slices.size(), 6);
  EXPECT_EQ(slices[2].text("cat"), "early");
  EXPECT_DOUBLE_EQ(slices[2].number("ts"), 0.5);
  EXPECT_DOUBLE_EQ(slices[2].number("dur"), 4);
  EXPECT_EQ(slices[3].text("name"), "second");
  EXPECT_DOUBLE_EQ(slices[3].number("dur"), 1.5);
  EXPECT_NE(slices[1].integer("tid"), slices[3].integer("tid"));
}

}  // namespace
}  // namespace slipstream::bench
