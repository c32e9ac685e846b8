#include "model/reference/caches.h"

#include <gtest/gtest.h>

#include <cstring>

#include "model/float_formats.h"
#include "tests/model/support/random.h"

namespace slipstream::model::reference {
namespace {

Numerics numerics(LatentFormat format, bool ue8m0 = false) { return {false, ue8m0, format}; }

template <class T>
T at(std::span<const std::byte> bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

struct Row {
  std::vector<float> latent = test::random_matrix(1, kLatentWidth, 1).values();
  std::vector<float> rope = test::random_matrix(1, kRopeWidth, 2).values();
};

TEST(LatentCache, HasRowsOf1152And656Bytes) {
  EXPECT_EQ(latent_row_bytes(LatentFormat::kBf16), 1152U);
  EXPECT_EQ(latent_row_bytes(LatentFormat::kFp8), 656U);
  EXPECT_EQ(LatentCache(numerics(LatentFormat::kFp8), 3).bytes().size(), 3U * 64 * 656);
}

TEST(LatentCache, LaysOutBf16Rows) {
  LatentCache cache(numerics(LatentFormat::kBf16), 2);
  const Row row;
  cache.write(65, row.latent, row.rope);
  EXPECT_EQ(at<uint16_t>(cache.bytes(), 65 * 1152), float_to_bf16(row.latent[0]));
  EXPECT_EQ(at<uint16_t>(cache.bytes(), 65 * 1152 + 1024), float_to_bf16(row.rope[0]));
}

TEST(LatentCache, LaysOut656ByteRows) {
  LatentCache cache(numerics(LatentFormat::kFp8), 2);
  Row row;
  row.latent[300] = 4.48F;  // the largest of group 2
  cache.write(65, row.latent, row.rope);
  const size_t begin = 65 * 656;
  const auto scale = at<float>(cache.bytes(), begin + 512 + 2 * 4);
  EXPECT_FLOAT_EQ(scale, 0.01F);
  EXPECT_EQ(at<uint8_t>(cache.bytes(), begin + 300), 0x7E);
  EXPECT_EQ(at<uint8_t>(cache.bytes(), begin + 256), float_to_e4m3(row.latent[256] / scale));
  EXPECT_EQ(at<uint16_t>(cache.bytes(), begin + 528 + 2 * 63), float_to_bf16(row.rope[63]));
}

TEST(LatentCache, ReadsBackCodesTimesTheStoredScale) {
  for (const bool ue8m0 : {false, true}) {
    LatentCache cache(numerics(LatentFormat::kFp8, ue8m0), 1);
    const Row row;
    cache.write(7, row.latent, row.rope);
    std::vector<float> read(576);
    cache.read(7, read);
    for (int i = 0; i < kLatentWidth; ++i) EXPECT_NEAR(read[i], row.latent[i], 0.04);
    for (int i = 0; i < kRopeWidth; ++i) {
      EXPECT_EQ(read[kLatentWidth + i], round_to_bf16(row.rope[i])) << "rope is not quantized";
    }
  }
}

TEST(LatentCache, RoundsScalesToPowersOfTwoWhereTheModelDoes) {
  LatentCache cache(numerics(LatentFormat::kFp8, true), 1);
  Row row;
  row.latent.assign(kLatentWidth, 4.48F);
  cache.write(0, row.latent, row.rope);
  EXPECT_EQ(at<float>(cache.bytes(), 512), 0.015625F);
}

TEST(LatentCache, GivesAGroupOfZerosTheScaleOne) {
  LatentCache cache(numerics(LatentFormat::kFp8), 1);
  Row row;
  row.latent.assign(kLatentWidth, 0);
  cache.write(0, row.latent, row.rope);
  EXPECT_EQ(at<float>(cache.bytes(), 512), 1);
  std::vector<float> read(576);
  cache.read(0, read);
  EXPECT_EQ(read[0], 0);
}

TEST(IndexKeyCache, KeepsTheScalesBehindThePagesKeys) {
  IndexKeyCache cache(numerics(LatentFormat::kBf16), 2);
  EXPECT_EQ(cache.bytes().size(), 2U * 8448);
  std::vector<float> key(kIndexWidth, 1.75F);
  cache.write(64 + 5, key);
  EXPECT_EQ(at<uint8_t>(cache.bytes(), 8448 + 5 * 128 + 127), 0x7E);
  EXPECT_EQ(at<float>(cache.bytes(), 8448 + 64 * 128 + 5 * 4), 0.00390625F);  // 1.75 / 448 = 2^-8
}

TEST(IndexKeyCache, AlwaysRoundsScalesToPowersOfTwo) {
  IndexKeyCache cache(numerics(LatentFormat::kBf16, false), 1);
  cache.write(0, std::vector<float>(kIndexWidth, 1.76F));
  EXPECT_EQ(at<float>(cache.bytes(), 64 * 128), 0.0078125F);
}

TEST(PageTable, FindsTheSlotOfAPosition) {
  const PageTable pages{{4, 1}};
  EXPECT_EQ(pages.slot(0), 256);
  EXPECT_EQ(pages.slot(63), 319);
  EXPECT_EQ(pages.slot(64), 64);
}

}  // namespace
}  // namespace slipstream::model::reference
