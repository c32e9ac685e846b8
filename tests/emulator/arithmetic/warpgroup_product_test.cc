// Sums of one row and one column, where the units cut off.
#include "emulator/arithmetic/warpgroup_product.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <memory>
#include <vector>

#include "emulator/arithmetic/narrow_float.h"

namespace slipstream::emulator::warpgroup_product_test {
namespace {

struct Element {
  ElementType type;
  const FloatFormat* format = nullptr;
  uint32_t bytes = 2;
};
const Element kF16{ElementType::kF16, &kF16Format, 2};
const Element kBf16{ElementType::kBf16, &kBf16Format, 2};
const Element kE4m3{ElementType::kE4m3, &kE4m3Format, 1};
const Element kE5m2{ElementType::kE5m2, &kE5m2Format, 1};

void put(WarpgroupOperands::Elements& elements, const Element& type,
         const std::vector<double>& values) {
  for (size_t k = 0; k < values.size(); ++k) {
    const uint32_t code = encode(values[k], *type.format, Rounding::kNearest, false);
    EXPECT_TRUE(decode(code, *type.format) == values[k] || std::isnan(values[k])) << values[k];
    std::memcpy(elements.data() + k * type.bytes, &code, type.bytes);
  }
}

// accumulator + a * b, of row 37 and column 11.
double sum_of(const Element& type, const std::vector<double>& a, const std::vector<double>& b,
              double accumulator = 0, bool rounds_to_half = false) {
  constexpr size_t kRow = 37;
  constexpr size_t kColumn = 11;
  const auto operands = std::make_unique<WarpgroupOperands>();
  const auto accumulators = std::make_unique<WarpgroupAccumulators>();
  std::memset(operands.get(), 0, sizeof(*operands));
  std::memset(accumulators.get(), 0, sizeof(*accumulators));
  put(operands->a[kRow], type, a);
  put(operands->b[kColumn], type, b);
  accumulators->bits[kRow][kColumn] = std::bit_cast<uint32_t>(static_cast<float>(accumulator));
  warpgroup_multiply(type.type, type.type)(
      *operands, {.columns = 16, .rounds_to_half = rounds_to_half}, *accumulators);
  return std::bit_cast<float>(accumulators->bits[kRow][kColumn]);
}

TEST(WarpgroupProduct, CutsOff25BitsBelowTheLargest) {
  EXPECT_EQ(sum_of(kF16, {1, -1, 0x1p-13}, {1, 1, 0x1p-12}), 0x1p-25);
  EXPECT_EQ(sum_of(kF16, {1, -1, 0x1p-13}, {1, 1, 0x1p-13}), 0);
}

TEST(WarpgroupProduct, CutsOff13BitsBelowTheLargestOfFp8) {
  EXPECT_EQ(sum_of(kE4m3, {1, -1, 0x1p-6}, {1, 1, 0x1p-7}), 0x1p-13);
  EXPECT_EQ(sum_of(kE4m3, {1, -1, 0x1p-7}, {1, 1, 0x1p-7}), 0);
  EXPECT_EQ(sum_of(kE4m3, {1}, {1}, 0x1.8p-13), 1 + 0x1p-13);
}

TEST(WarpgroupProduct, CutsSumsOffInsteadOfRounding) {
  EXPECT_EQ(sum_of(kF16, {1, 0x1.8p-12}, {1, 0x1p-12}), 1);
  EXPECT_EQ(sum_of(kF16, {-1, -0x1.8p-12}, {1, 0x1p-12}), -1);
}

TEST(WarpgroupProduct, LeavesSumsOfFp8ThirteenBits) {
  std::vector<double> a(32, 1.875);
  std::vector<double> b(32, 1.875);
  a[31] = 0x1p-6;
  b[31] = 0x1p-7;
  EXPECT_EQ(sum_of(kE4m3, a, b), 31 * 1.875 * 1.875);
  for (double& value : a) value = -value;
  EXPECT_EQ(sum_of(kE4m3, a, b), -31 * 1.875 * 1.875);
}

TEST(WarpgroupProduct, RoundsF16AccumulatorsToTheNearest) {
  EXPECT_EQ(sum_of(kF16, {1, 0x1.8p-6}, {1, 0x1p-5}, 0, true), 1 + 0x1p-10);
  EXPECT_EQ(sum_of(kE4m3, {1, 0x1.8p-6}, {1, 0x1p-5}, 0, true), 1 + 0x1p-10);
  EXPECT_EQ(sum_of(kF16, {256, 256}, {256, -1}, 512, true), HUGE_VAL);
}

TEST(WarpgroupProduct, TakesASubnormalAtTheLeastExponent) {
  // 2^-16 is a subnormal e5m2: its exponent counts as -14, and 2^-28 lies more than 13 below.
  EXPECT_EQ(sum_of(kE5m2, {0x1p-16, 0x1p-14}, {1, 0x1p-14}), 0x1p-16);
  EXPECT_EQ(sum_of(kE5m2, {0x1p-16, 0x1p-14}, {1, 0x1p-13}), 0x1p-16 + 0x1p-27);
}

TEST(WarpgroupProduct, ReachesBeyondF32) {
  EXPECT_EQ(sum_of(kBf16, {0x1p100}, {0x1p100}), HUGE_VAL);
  EXPECT_EQ(sum_of(kBf16, {0x1p100, 0x1p100}, {0x1p100, -0x1p100}, 3), 0);
  EXPECT_EQ(sum_of(kBf16, {0x1p100, 0x1p-80}, {0x1p-100, 0x1p80}), 2);
  EXPECT_EQ(sum_of(kBf16, {0x1p-70}, {0x1p-75}), 0x1p-145);
  EXPECT_EQ(sum_of(kBf16, {0x1p-100}, {0x1p-100}), 0);
}

TEST(WarpgroupProduct, PropagatesInfinitiesAndNaNs) {
  EXPECT_EQ(sum_of(kE5m2, {HUGE_VAL}, {1}, -3), HUGE_VAL);
  EXPECT_TRUE(std::isnan(sum_of(kE5m2, {HUGE_VAL}, {0}, 1)));
  EXPECT_TRUE(std::isnan(sum_of(kF16, {1}, {HUGE_VAL}, -HUGE_VAL)));
  EXPECT_TRUE(std::isnan(sum_of(kE4m3, {NAN}, {1})));
  EXPECT_EQ(sum_of(kBf16, {1}, {1}, HUGE_VAL), HUGE_VAL);
}

}  // namespace
}  // namespace slipstream::emulator::warpgroup_product_test
