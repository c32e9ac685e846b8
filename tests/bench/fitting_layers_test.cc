#include "bench/fitting_layers.h"

#include <gtest/gtest.h>

#include <string>

#include "slipstream/error.h"

namespace slipstream::bench {
namespace {

constexpr int64_t kGigabyte = 1'000'000'000;

BenchModel shared_by(int ranks) { return {.name_or_file = "deepseek-v3.2", .tp = ranks}; }

TEST(LayersThatFit, AreAllOfAModelThatFits) {
  EXPECT_EQ(layers_that_fit(shared_by(8), std::vector{StepShape{8, 65536}}, 140 * kGigabyte), 61);
}

TEST(LayersThatFit, AreFewerWithFewerRanksOrLargerCaches) {
  const int small = layers_that_fit(shared_by(4), std::vector{StepShape{1, 8192}}, 75 * kGigabyte);
  EXPECT_GT(small, 20);
  EXPECT_LT(small, 30);
  EXPECT_LT(layers_that_fit(shared_by(4), std::vector{StepShape{1, 8192}, StepShape{16, 131072}},
                            75 * kGigabyte),
            small);
}

TEST(LayersThatFit, SaysSoWhereNotOneDoes) {
  try {
    (void)layers_that_fit(shared_by(2), std::vector{StepShape{}}, kGigabyte / 2);
    FAIL();
  } catch (const InvalidArgument& error) {
    const std::string text = error.what();
    EXPECT_TRUE(text.starts_with("one layer of deepseek-v3.2 takes ")) << text;
    EXPECT_TRUE(text.ends_with(" on each of 2 ranks, 0.50 GB are free")) << text;
  }
}

}  // namespace
}  // namespace slipstream::bench
