#include "model/reference/rope.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "tests/model/support/tiny_files.h"

namespace slipstream::model::reference {
namespace {

ModelConfig config_of(const std::string& name) {
  return parse_model_config(tiny::tiny_spec(name).config, name);
}

TEST(Rope, StretchesDeepseeksSlowPairsByYarn) {
  const auto frequencies = inverse_frequencies(config_of("deepseek-v32-tiny"));
  ASSERT_EQ(frequencies.size(), 32U);
  const std::vector<std::pair<int, double>> expected = {
      {0, 1.0},     {8, 0.1},           {10, 5.6234133e-2}, {11, 3.9006927e-2}, {13, 1.8378146e-2},
      {16, 5.5e-3}, {20, 7.9056942e-4}, {22, 1.7782794e-4}, {23, 3.3338036e-5}, {31, 3.3338036e-6},
  };
  for (const auto& [pair, frequency] : expected) {
    EXPECT_NEAR(frequencies[pair] / frequency, 1, 1e-6) << "pair " << pair;
  }
}

TEST(Rope, LeavesGlmsFrequenciesAlone) {
  const auto frequencies = inverse_frequencies(config_of("glm-5-tiny"));
  EXPECT_EQ(frequencies[0], 1);
  EXPECT_NEAR(frequencies[16] / 1e-3, 1, 1e-6);
  EXPECT_NEAR(frequencies[31] / std::pow(1e6, -31.0 / 32), 1, 1e-6);
}

// The goldens see differences of positions only, so the absolute angle is checked here.
TEST(Rope, TurnsNeighborsInTheInterleavedLayout) {
  std::vector<float> x(64, 0);
  x[2] = 1;
  x[5] = 2;
  std::vector<float> frequencies(32, 0.25F);
  rotate(x, frequencies, 3, RopeLayout::kInterleaved);
  EXPECT_FLOAT_EQ(x[2], std::cos(0.75F));
  EXPECT_FLOAT_EQ(x[3], std::sin(0.75F));
  EXPECT_FLOAT_EQ(x[4], -2 * std::sin(0.75F));
  EXPECT_FLOAT_EQ(x[5], 2 * std::cos(0.75F));
  EXPECT_EQ(x[0], 0);
}

TEST(Rope, TurnsHalvesInTheSplitLayout) {
  std::vector<float> x(64, 0);
  x[1] = 1;
  x[40] = 2;
  std::vector<float> frequencies(32);
  std::iota(frequencies.begin(), frequencies.end(), 0.0F);
  rotate(x, frequencies, 1, RopeLayout::kHalfSplit);
  EXPECT_FLOAT_EQ(x[1], std::cos(1.0F));
  EXPECT_FLOAT_EQ(x[33], std::sin(1.0F));
  EXPECT_FLOAT_EQ(x[8], -2 * std::sin(8.0F));
  EXPECT_FLOAT_EQ(x[40], 2 * std::cos(8.0F));
}

TEST(Rope, KeepsPositionZeroAsItIs) {
  std::vector<float> x(64, 1.5F);
  rotate(x, inverse_frequencies(config_of("glm-5-tiny")), 0, RopeLayout::kInterleaved);
  EXPECT_EQ(x, std::vector<float>(64, 1.5F));
}

TEST(Hadamard, HasNaturalOrder) {
  std::vector<float> x(128, 0);
  x[5] = 1;  // column 5 of the matrix: sign of popcount(row & 5)
  hadamard_transform(x);
  for (int row = 0; row < 128; ++row) {
    const bool negative = std::popcount(static_cast<unsigned>(row) & 5U) % 2 == 1;
    EXPECT_FLOAT_EQ(x[row], negative ? -0.088388348F : 0.088388348F);
  }
}

TEST(Hadamard, IsItsOwnInverse) {
  std::vector<float> x(128);
  std::iota(x.begin(), x.end(), -60.0F);
  const auto before = x;
  hadamard_transform(x);
  hadamard_transform(x);
  for (size_t i = 0; i < x.size(); ++i) EXPECT_NEAR(x[i], before[i], 1e-4);
}

}  // namespace
}  // namespace slipstream::model::reference
