#include "ops/support/overlap.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "support/mirror.h"
#include "support/random.h"

namespace slipstream::ops {
namespace {

using test::make_tensor;

std::array<uint8_t, 4096> memory;

Tensor bytes(int64_t offset, const std::vector<int64_t>& shape,
             const std::vector<int64_t>& strides) {
  return make_tensor(memory.data(), DType::kUInt8, shape, {offset, strides});
}

TEST(MayOverlap, SaysNoOfTheTwoPartsOfOneArraysRows) {
  const Tensor nope = bytes(0, {4, 2, 512}, {1152, 576, 1});
  const Tensor rope = bytes(512, {4, 2, 64}, {1152, 576, 1});
  EXPECT_FALSE(may_overlap(nope, rope));
  EXPECT_FALSE(may_overlap(rope, nope));
}

TEST(MayOverlap, SaysYesWhereThePartsShareOneColumn) {
  EXPECT_TRUE(may_overlap(bytes(0, {4, 513}, {576, 1}), bytes(512, {4, 64}, {576, 1})));
}

TEST(MayOverlap, SaysYesWhereAPartReachesIntoTheNextRow) {
  EXPECT_TRUE(may_overlap(bytes(0, {4, 512}, {576, 1}), bytes(512, {4, 65}, {576, 1})));
}

TEST(MayOverlap, SaysNoOfTensorsSideBySide) {
  EXPECT_FALSE(may_overlap(bytes(0, {100}, {1}), bytes(100, {100}, {1})));
}

TEST(MayOverlap, SaysNoOfAnEmptyTensor) {
  EXPECT_FALSE(may_overlap(bytes(0, {0, 8}, {8, 1}), bytes(0, {8}, {1})));
}

TEST(MayOverlap, CountsElementsOfSeveralBytes) {
  const Tensor words = make_tensor(memory.data(), DType::kInt32, {2, 4}, {0, {8, 1}});
  EXPECT_FALSE(may_overlap(words, bytes(16, {2, 16}, {32, 1})));
  EXPECT_TRUE(may_overlap(words, bytes(15, {2, 16}, {32, 1})));
}

// Marks every byte of every element.
std::vector<bool> touched(const Tensor& tensor) {
  std::vector<bool> marks(memory.size(), false);
  const auto base = static_cast<uint8_t*>(tensor.data) - memory.data();
  for (int64_t i = 0; i < tensor.shape[0]; ++i) {
    for (int64_t j = 0; j < tensor.shape[1]; ++j) {
      marks[base + i * tensor.strides[0] + j * tensor.strides[1]] = true;
    }
  }
  return marks;
}

TEST(MayOverlap, AgreesWithMarkingEveryByteOfSlicesOfOneArray) {
  test::Random random(1);
  int overlapping = 0;
  for (int round = 0; round < 2000; ++round) {
    const int64_t row = random.integer(1, 40);
    const auto slice = [&] {
      return bytes(random.integer(0, 300), {random.integer(1, 6), random.integer(1, row)},
                   {row, 1});
    };
    const Tensor a = slice();
    const Tensor b = slice();
    const std::vector<bool> marks_a = touched(a);
    const std::vector<bool> marks_b = touched(b);
    bool shared = false;
    for (size_t i = 0; i < memory.size(); ++i) shared = shared || (marks_a[i] && marks_b[i]);
    overlapping += static_cast<int>(shared);
    ASSERT_FALSE(shared && !may_overlap(a, b)) << a.describe() << " and " << b.describe();
    const bool strides_count =
        a.shape[0] > 1 && b.shape[0] > 1 && a.shape[1] < row && b.shape[1] < row;
    if (strides_count) {
      ASSERT_EQ(may_overlap(a, b), shared) << a.describe() << " and " << b.describe();
    }
  }
  EXPECT_GT(overlapping, 200);
}

}  // namespace
}  // namespace slipstream::ops
