// Products of a warpgroup, both ways: architectures without wgmma have no test of their own.

#include <gtest/gtest.h>

#include <random>

#include "model/float_formats.h"
#include "tests/cuda/multiply_64.h"
#include "tests/step/kernels/device_values.h"
#include "tests/step/kernels/sparse_inputs.h"

namespace slipstream::cuda::test {
namespace {

constexpr int kRows = 64;
constexpr int kDepth = 128;

// Any but NaN.
std::vector<uint8_t> random_codes(unsigned seed) {
  std::mt19937 generator(seed);
  std::vector<uint8_t> codes(static_cast<size_t>(kRows) * kDepth);
  for (uint8_t& code : codes)
    code = static_cast<uint8_t>(generator() % 127 + generator() % 2 * 128);
  return codes;
}

// How far the products are from exact ones.
double distance(decltype(multiply_64) multiply, bool by_warps) {
  const std::vector<uint8_t> rows = random_codes(1);
  const std::vector<uint8_t> columns = random_codes(2);
  std::vector<float> expected;
  for (int row = 0; row < kRows; ++row) {
    for (int column = 0; column < kRows; ++column) {
      double sum = 0;
      for (int i = 0; i < kDepth; ++i) {
        sum += double{model::e4m3_to_float(rows[row * kDepth + i])} *
               model::e4m3_to_float(columns[column * kDepth + i]);
      }
      expected.push_back(static_cast<float>(sum));
    }
  }
  const step::test::DeviceValues<uint8_t> device_rows(rows);
  const step::test::DeviceValues<uint8_t> device_columns(columns);
  const step::test::DeviceValues<float> products(expected.size());
  multiply(device_rows.data(), device_columns.data(), products.data(), by_warps);
  return step::test::relative_distance(products.download(), expected);
}

TEST(WarpgroupProduct, IsWhatThirteenBitsOfSumsLeaveOfIt) {
  EXPECT_LT(distance(multiply_64, false), 1e-3);
  EXPECT_LT(distance(multiply_64_by_8, false), 1e-3);
}

TEST(WarpgroupProduct, IsTheSameByWarpsWhereThereIsNoWgmma) {
  EXPECT_LT(distance(multiply_64, true), 1e-6);
  EXPECT_LT(distance(multiply_64_by_8, true), 1e-6);
}

}  // namespace
}  // namespace slipstream::cuda::test
