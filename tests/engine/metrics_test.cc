#include "slipstream/metrics.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "engine/meter.h"
#include "engine/step_limit.h"
#include "slipstream/error.h"

namespace slipstream::engine {
namespace {

TEST(LatencyHistogramTest, CountsEachDurationOnceByItsLimit) {
  LatencyHistogram histogram;
  histogram.add(0);
  histogram.add(50e-6);
  histogram.add(51e-6);
  histogram.add(1e6);
  EXPECT_EQ(histogram.counts.front(), 2U);
  EXPECT_EQ(histogram.counts[1], 1U);
  EXPECT_EQ(histogram.counts.back(), 1U);
  EXPECT_EQ(histogram.count, 4U);
  EXPECT_DOUBLE_EQ(histogram.sum_seconds, 1e6 + 101e-6);
}

TEST(PrometheusTextTest, HasHelpTypeAndLabelsOfEachMetric) {
  Metrics metrics;
  metrics.steps = 7;
  metrics.device_errors = 1;
  const std::string text = prometheus_text(metrics, "model=\"tiny\"");
  EXPECT_NE(text.find("# HELP slipstream_steps_total Steps whose tokens have arrived.\n"
                      "# TYPE slipstream_steps_total counter\n"
                      "slipstream_steps_total{model=\"tiny\"} 7\n"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("slipstream_errors_total{model=\"tiny\",kind=\"device\"} 1\n"),
            std::string::npos)
      << text;
  EXPECT_NE(prometheus_text(metrics).find("\nslipstream_steps_total 7\n"), std::string::npos);
}

TEST(PrometheusTextTest, AddsUpTheBucketsOfAHistogram) {
  Metrics metrics;
  metrics.step_seconds.add(40e-6);
  metrics.step_seconds.add(150e-6);
  metrics.step_seconds.add(1e6);
  const std::string text = prometheus_text(metrics);
  for (const char* line :
       {"slipstream_step_seconds_bucket{le=\"5e-05\"} 1\n",
        "slipstream_step_seconds_bucket{le=\"0.0001\"} 1\n",
        "slipstream_step_seconds_bucket{le=\"0.0002\"} 2\n",
        "slipstream_step_seconds_bucket{le=\"+Inf\"} 3\n", "slipstream_step_seconds_count 3\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
}

TEST(MeterTest, CountsWhatClosedTheEngineByKind) {
  Meter meter;
  meter.failed(CudaError("hung", cudaErrorLaunchTimeout));
  meter.failed(CudaError("lost", cudaErrorLaunchFailure));
  meter.failed(RankError("silent"));
  meter.failed(std::runtime_error("other"));
  const Metrics metrics = meter.read();
  EXPECT_EQ(metrics.device_errors, 2U);
  EXPECT_EQ(metrics.hung_steps, 1U);
  EXPECT_EQ(metrics.rank_errors, 1U);
  EXPECT_EQ(metrics.other_errors, 1U);
}

TEST(StepLimitTest, AsksUntilTheWorkIsDone) {
  int asked = 0;
  wait_within(
      60, "query", [&] { return ++asked < 3 ? cudaErrorNotReady : cudaSuccess; },
      [] { return std::string(); });
  EXPECT_EQ(asked, 3);
}

TEST(StepLimitTest, EndsInWhatTheCallSaysOrInTheTime) {
  EXPECT_THROW(
      wait_within(
          60, "query", [] { return cudaErrorLaunchFailure; }, [] { return std::string(); }),
      CudaError);
  try {
    wait_within(
        0.001, "query", [] { return cudaErrorNotReady; }, [] { return std::string("it hangs"); });
    ADD_FAILURE();
  } catch (const CudaError& error) {
    EXPECT_STREQ(error.what(), "it hangs");
    EXPECT_EQ(error.code(), cudaErrorLaunchTimeout);
  }
}

}  // namespace
}  // namespace slipstream::engine
