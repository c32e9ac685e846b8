#include "emulator/machine/tensor_map.h"

#include <gtest/gtest.h>

#include <cstring>

namespace slipstream::emulator::tensor_map_test {
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
    if (i / 8 == 1) continue;  // see below
    auto bytes = pack(some_map());
    bytes[i] ^= std::byte{4};
    EXPECT_FALSE(unpack(bytes)) << i;
  }
}

// CUTLASS does that to the maps of drivers up to 13.1.
TEST(TensorMap, StaysWhatItIsWhereABitOfItsSecondWordIsCleared) {
  for (const uint64_t address : {0x7f0000001000ULL, 0x7f00003ff000ULL}) {
    TensorMap map = some_map();
    map.address = address;
    auto bytes = pack(map);
    uint64_t word = 0;
    std::memcpy(&word, &bytes[8], sizeof(word));
    word &= ~(1ULL << 21U);
    std::memcpy(&bytes[8], &word, sizeof(word));
    EXPECT_EQ(unpack(bytes), map);
  }
}

TEST(TensorMap, KeepsWhatIsTooLarge) {
  TensorMap map = some_map();
  map.box[1] = 1U << 20U;
  map.step[1] = 1U << 20U;
  const auto kept = unpack(pack(map));
  ASSERT_TRUE(kept);
  EXPECT_TRUE(problem_of(*kept));
}

TEST(TensorMap, KnowsTheShapeOfItsBox) {
  TensorMap map = some_map();
  EXPECT_EQ(row_bytes_of(map), 64U);
  EXPECT_EQ(row_pitch_of(map), 64U);
  EXPECT_EQ(count_of(map, 1), 32U);  // of 256, every eighth
  EXPECT_EQ(shared_bytes_of(map), 64U * 32U);
  map.swizzle = TensorSwizzle::k128Bytes;
  EXPECT_EQ(row_pitch_of(map), 128U);
  map.interleave = TensorInterleave::k32Bytes;
  EXPECT_EQ(unit_of(map), 32U);
  EXPECT_EQ(row_bytes_of(map), 1024U);
  EXPECT_EQ(count_of(map, 1), 1U);  // the slice
  EXPECT_EQ(shared_bytes_of(map), 1024U);
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
}  // namespace slipstream::emulator::tensor_map_test
