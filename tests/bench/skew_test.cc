#include "bench/skew.h"

#include <gtest/gtest.h>

#include "bench/clock_pair.h"
#include "bench/step_bench.h"

namespace slipstream::bench {
namespace {

// A launch of one CTA, in nanoseconds.
instrument::CtaStamps cta(uint64_t start, uint64_t wait_return, uint64_t end, uint32_t number = 0) {
  return {start, start, wait_return, end, number, 0};
}

std::vector<MeasuredLaunch> two_launches() {
  std::vector<MeasuredLaunch> launches(2);
  for (MeasuredLaunch& launch : launches) launch.ctas = 1;
  return launches;
}

// Two launches on two ranks; rank 1 is later by 1 and by 3 us, and its second launch has two CTAs.
StepTrace trace_of(uint64_t origin) {
  const uint64_t t = origin;
  return {.ctas = {{1, 1}, {1, 2}},
          .steps = {{{cta(t, t + 1000, t + 2000), cta(t + 500, t + 3000, t + 5000)},
                     {cta(t, t + 1500, t + 3000), cta(t + 500, t + 4000, t + 8000),
                      cta(t + 500, t + 4500, t + 7000, 1)}}},
          .clock_error = 250};
}

TEST(TeamTimes, AreInTheClockOfRank0) {
  // As nanoseconds since 1970, of which a double keeps a quarter of a microsecond.
  const TeamTimes times = team_times(trace_of(1'795'897'200'000'000'123), two_launches());
  ASSERT_EQ(times.ranks.size(), 2U);
  EXPECT_DOUBLE_EQ(times.ranks[0].launches[1].wait_return, 3);
  EXPECT_DOUBLE_EQ(times.ranks[1].launches[1].wait_return, 4);
  EXPECT_DOUBLE_EQ(times.ranks[1].launches[1].end, 8);
  EXPECT_DOUBLE_EQ(times.clock_error, 0.25);
}

TEST(TeamTimes, SayHowFarStartsAndEndsOfALaunchAreApart) {
  const TeamTimes times = team_times(trace_of(1'000'000), two_launches());
  EXPECT_DOUBLE_EQ(times.skew[0].start, 0.5);
  EXPECT_DOUBLE_EQ(times.skew[0].end, 1);
  EXPECT_DOUBLE_EQ(times.skew[1].start, 1);
  EXPECT_DOUBLE_EQ(times.skew[1].end, 3);
}

TEST(TeamTimes, NameTheRankThatEndsLast) {
  const TeamTimes times = team_times(trace_of(1'000'000), two_launches());
  EXPECT_DOUBLE_EQ(times.ranks[0].lateness, 0);
  EXPECT_DOUBLE_EQ(times.ranks[1].lateness, 2);
  EXPECT_EQ(times.slowest(), 1);
}

// The other clock is ahead by a second, and slower by one part in a thousand.
TEST(ClockReading, BringsTimesOfAnotherClockHere) {
  const ClockReading before{.here = 5'000'000, .there = 1'005'000'000, .error = 0};
  const ClockReading after{.here = 6'000'000, .there = 1'005'999'000, .error = 0};
  EXPECT_EQ(to_here(1'005'000'000, before, after), 5'000'000U);
  EXPECT_EQ(to_here(1'005'999'000, before, after), 6'000'000U);
  EXPECT_EQ(to_here(1'005'499'500, before, after), 5'500'000U);
  EXPECT_EQ(to_here(1'004'999'001, before, after), 4'999'000U) << "also before the first reading";
}

TEST(ClockReading, DoesWithOneReadingTwice) {
  const ClockReading only{.here = 100, .there = 40, .error = 0};
  EXPECT_EQ(to_here(50, only, only), 110U);
}

}  // namespace
}  // namespace slipstream::bench
