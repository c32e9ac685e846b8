#include "slipstream/tensor.h"

#include <gtest/gtest.h>

#include "slipstream/error.h"

namespace slipstream {
namespace {

TEST(Tensor, IsRowMajorUnlessToldOtherwise) {
  const Tensor tensor(nullptr, DType::kBFloat16, {2, 3, 4});
  EXPECT_EQ(tensor.strides[0], 12);
  EXPECT_EQ(tensor.strides[1], 4);
  EXPECT_EQ(tensor.strides[2], 1);
  EXPECT_EQ(tensor.numel(), 24);
  EXPECT_TRUE(tensor.contiguous());
}

TEST(Tensor, DescribesItselfWithStridesWhereTheyMatter) {
  EXPECT_EQ(Tensor(nullptr, DType::kFloat8E4M3, {4, 576}).describe(), "float8_e4m3fn[4, 576]");
  EXPECT_EQ(Tensor(nullptr, DType::kInt64, {4, 2}, {1, 4}).describe(),
            "int64[4, 2] with strides [1, 4]");
  EXPECT_EQ(Tensor().describe(), "absent");
}

TEST(Tensor, IsContiguousWhateverTheStrideOfAnAxisOfOne) {
  EXPECT_TRUE(Tensor(nullptr, DType::kInt8, {4, 1, 8}, {8, 77, 1}).contiguous());
}

TEST(Tensor, RejectsARankItCannotHold) {
  EXPECT_THROW(Tensor(nullptr, DType::kInt8, {1, 1, 1, 1, 1}), InvalidArgument);
  EXPECT_THROW(Tensor(nullptr, DType::kInt8, {2, 2}, {1}), InvalidArgument);
}

}  // namespace
}  // namespace slipstream
