#include "model/reference/linear.h"

#include <gtest/gtest.h>

#include <cmath>

#include "model/reference/norms.h"
#include "tests/model/support/random.h"

namespace slipstream::model::reference {
namespace {

using test::random_matrix;

Linear fp8_weights(int rows, int columns, std::vector<float> scales) {
  Linear weights{rows, columns, true, random_matrix(rows, columns, 3).values(), std::move(scales)};
  for (float& value : weights.values) value = e4m3_to_float(float_to_e4m3(value * 100));
  return weights;
}

// W x with every scale looked up the long way.
float expected(const Linear& weights, int row, std::span<const float> x) {
  double sum = 0;
  for (int column = 0; column < weights.columns; ++column) {
    const int scale_columns = (weights.columns + 127) / 128;
    const float scale = weights.scales[(row / 128) * scale_columns + column / 128];
    sum += static_cast<double>(weights.values[row * weights.columns + column]) * scale * x[column];
  }
  return static_cast<float>(sum);
}

void expect_exact_product(const Linear& weights) {
  const Matrix x = random_matrix(2, weights.columns, 4);
  const Matrix y = linear(Numerics::exact_mode(), weights, x);
  for (int token = 0; token < 2; ++token) {
    for (int row = 0; row < weights.rows; ++row) {
      const float value = expected(weights, row, x.row(token));
      EXPECT_NEAR(y.row(token)[row], value, 1e-4 * std::fabs(value) + 1e-2) << "row " << row;
    }
  }
}

TEST(Linear, ScalesRowBlocksOfOneColumnBlock) {
  expect_exact_product(fp8_weights(300, 128, {1, 10, 100}));
}

TEST(Linear, ScalesColumnBlocksOfOneRowBlock) {
  expect_exact_product(fp8_weights(64, 384, {1, 10, 100}));
}

TEST(Linear, ScalesTheHalfBlockAtTheEnd) {
  expect_exact_product(fp8_weights(576, 256, {1, 2, 3, 4, 5, 6, 7, 8, 90, 100}));
}

TEST(Linear, QuantizesActivationsPerGroup) {
  // A group of small values beside one of large ones keeps its own scale, so it is not lost.
  Linear weights{1, 256, true, std::vector<float>(256, 1), {1, 1}};
  Matrix x(1, 256);
  for (int i = 0; i < 256; ++i) x.row(0)[i] = i < 128 ? 0.001F : 0;
  const Numerics numerics{.exact = false, .ue8m0 = false, .latent = LatentFormat::kBf16};
  EXPECT_NEAR(linear(numerics, weights, x).row(0)[0], 0.128, 0.128 / 256);
  x.row(0)[200] = 448;
  EXPECT_NEAR(linear(numerics, weights, x).row(0)[0], 448, 2);
}

TEST(Linear, TakesBf16WeightsWithoutQuantizing) {
  const Linear weights{1, 128, false, std::vector<float>(128, 1), {}};
  Matrix x(1, 128);
  for (float& value : x.values()) value = 1.0078125F;  // not an e4m3 number
  const Numerics numerics{.exact = false, .ue8m0 = false, .latent = LatentFormat::kBf16};
  EXPECT_EQ(linear(numerics, weights, x).row(0)[0], 129);
}

TEST(Linear, RoundsTheResultToBf16ButNotInFp32) {
  const Linear weights{1, 128, false, std::vector<float>(128, 1), {}};
  Matrix x(1, 128);
  x.row(0)[0] = 1;
  x.row(0)[1] = 0.001F;
  const Numerics numerics{.exact = false, .ue8m0 = false, .latent = LatentFormat::kBf16};
  EXPECT_EQ(linear(numerics, weights, x).row(0)[0], 1);
  EXPECT_FLOAT_EQ(linear_fp32(weights, x).row(0)[0], 1.001F);
}

TEST(QuantizeGroup, MapsTheLargestValueTo448) {
  std::vector<float> x(128, 0.1F);
  x[7] = -3.5F;
  const QuantizedGroup group = quantize_group(x, false);
  EXPECT_FLOAT_EQ(group.scale, 3.5F / 448);
  EXPECT_EQ(e4m3_to_float(group.codes[7]), -448);
}

TEST(QuantizeGroup, RoundsTheScaleUpToAPowerOfTwo) {
  const std::vector<float> x(128, 3.5F);
  const QuantizedGroup group = quantize_group(x, true);
  EXPECT_EQ(group.scale, 0.0078125F);  // 2^-7 is exactly 3.5 / 448
  const QuantizedGroup larger = quantize_group(std::vector<float>(128, 3.51F), true);
  EXPECT_EQ(larger.scale, 0.015625F);
  EXPECT_EQ(e4m3_to_float(larger.codes[0]), 224);
}

TEST(QuantizeGroup, ClampsTheAmaxOfZerosAndTinyValues) {
  const QuantizedGroup zeros = quantize_group(std::vector<float>(128, 0), false);
  EXPECT_FLOAT_EQ(zeros.scale, 1e-4F / 448);
  EXPECT_EQ(zeros.codes, std::vector<uint8_t>(128, 0));
  EXPECT_EQ(quantize_group(std::vector<float>(128, 1e-6F), false).scale, zeros.scale);
}

TEST(RmsNorm, DividesByTheRootOfTheMeanSquare) {
  const std::vector<float> x = {3, -4, 0, 0};
  const std::vector<float> weight = {1, 1, 1, 2};
  std::vector<float> y(4);
  rms_norm(Numerics::exact_mode(), x, weight, 0.25F, y);
  const auto root = static_cast<float>(std::sqrt(6.25 + 0.25));
  EXPECT_FLOAT_EQ(y[0], 3 / root);
  EXPECT_FLOAT_EQ(y[1], -4 / root);
}

TEST(LayerNorm, SubtractsTheMeanAndAddsTheBias) {
  const std::vector<float> x = {1, 3, 5, 7};
  const std::vector<float> weight = {1, 1, 2, 1};
  const std::vector<float> bias = {0, 0, 10, 0};
  std::vector<float> y(4);
  layer_norm(Numerics::exact_mode(), x, weight, bias, 0, y);
  EXPECT_FLOAT_EQ(y[0], static_cast<float>(-3 / std::sqrt(5.0)));  // population variance
  EXPECT_FLOAT_EQ(y[2], static_cast<float>(10 + 2 / std::sqrt(5.0)));
}

}  // namespace
}  // namespace slipstream::model::reference
