#include "emulator/machine/tensor_map.h"

#include <gtest/gtest.h>

namespace slipstream::emulator {
namespace {

TensorMap some_map() {
  TensorMap map;
  map.address = 0x7f0000001000;
  map.type = TensorType::kBf16;
  map.rank = 3;
  map.swizzle = TensorSwizzle::k64Bytes;
  map.fill = TensorFill::kNan;
  map.size = {1ULL << 32, 5, 7};
  map.strides = {(1ULL << 40) - 16, 64};
  map.box = {32, 256, 1};
  map.step = {1, 8, 1};
  return map;
}

TEST(TensorMap, ComesBackFromItsBytes) {
  const auto bytes = pack(some_map());
  EXPECT_EQ(unpack(bytes), some_map());
  EXPECT_FALSE(problem_of(some_map()));
}

TEST(TensorMap, IsNotMadeOfOtherBytes) {
  EXPECT_FALSE(unpack(std::array<std::byte, kTensorMapBytes>{}));
  for (size_t i = 0; i < kTensorMapBytes; ++i) {
    auto bytes = pack(some_map());
    bytes[i] ^= std::byte{4};
    EXPECT_FALSE(unpack(bytes)) << i;
  }
}

TEST(TensorMap, KnowsTheSizesOfItsParts) {
  EXPECT_EQ(bytes_of(TensorType::kU8), 1U);
  EXPECT_EQ(bytes_of(TensorType::kBf16), 2U);
  EXPECT_EQ(bytes_of(TensorType::kTf32Ftz), 4U);
  EXPECT_EQ(bytes_of(TensorType::kF64), 8U);
  EXPECT_EQ(span_of(TensorSwizzle::kNone), 0U);
  EXPECT_EQ(span_of(TensorSwizzle::k32Bytes), 32U);
  EXPECT_EQ(span_of(TensorSwizzle::k128Bytes), 128U);
  EXPECT_EQ(slice_of(TensorInterleave::kNone), 0U);
  EXPECT_EQ(slice_of(TensorInterleave::k16Bytes), 16U);
  EXPECT_EQ(slice_of(TensorInterleave::k32Bytes), 32U);
}

}  // namespace
}  // namespace slipstream::emulator
