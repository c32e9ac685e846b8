// Matrices that are stored as bf16, packed as e4m3; and e4m3 matrices in bands.

#include "step/kernels/linear/pack.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tests/step/kernels/packed_weights.h"

namespace slipstream::step::test {
namespace {

using kernels::kGroup;
using kernels::kTileRows;

// The share of a matrix that owns its bytes.
struct OwnedMatrix {
  std::vector<std::byte> bytes;
  model::MatrixShare share;

  OwnedMatrix(int rows, int columns, model::StoredType type) {
    share.type = type;
    share.rows = rows;
    share.columns = columns;
    share.row_stride = columns * model::size_of(type);
    bytes.resize(rows * share.row_stride);
    share.data = bytes.data();
  }
  void set(int row, int column, uint16_t bits) {
    const int64_t size = model::size_of(share.type);
    std::memcpy(&bytes[row * share.row_stride + column * size], &bits, size);
  }
};

// Codes without NaN, the largest among them; a tile's values are a power of two of its own times them.
uint8_t code_at(int row, int column) {
  if (row % kTileRows == 3 && column % kGroup == 5) return 0xFE;  // -448
  const int code = (row * 31 + column * 7) % 254;
  return static_cast<uint8_t>(code < 127 ? code : code + 1);
}
float scale_at(int row, int column) {
  return std::ldexp(1.0F, -(row / kTileRows * 2 + column / kGroup) - 3);
}

TEST(PackAsFp8, GivesTheCodesAndScalesThatValuesWereMadeOf) {
  constexpr int kRows = 40;
  constexpr int kColumns = 200;
  OwnedMatrix codes(kRows, kColumns, model::StoredType::kF8E4M3);
  OwnedMatrix values(kRows, kColumns, model::StoredType::kBF16);
  std::vector<float> scales;
  for (int row = 0; row < kRows; ++row) {
    for (int column = 0; column < kColumns; ++column) {
      const uint8_t code = code_at(row, column);
      codes.set(row, column, code);
      values.set(row, column,
                 model::float_to_bf16(model::e4m3_to_float(code) * scale_at(row, column)));
      if (row % kTileRows == 0 && column % kGroup == 0) scales.push_back(scale_at(row, column));
    }
  }
  codes.share.scales = {1, 1};
  codes.share.scale_columns = 2;
  const PackedHostMatrix packed = pack_as_fp8(values.share);
  EXPECT_TRUE(packed.is_fp8);
  EXPECT_EQ(packed.rows, kRows);
  EXPECT_EQ(packed.columns, kColumns);
  EXPECT_EQ(packed.scales, scales);
  EXPECT_EQ(packed.tiles, pack(codes.share).tiles);
}

// Rounding keeps their order, so that the tile can be compared in order of size.
TEST(PackAsFp8, RoundsEachValueToTheNearestCode) {
  const HostWeights weights(kTileRows, kGroup, /*fp8=*/false, /*seed=*/3);
  const PackedHostMatrix packed = pack_as_fp8(weights.share());
  std::vector<float> values = weights.linear().values;
  std::vector<float> rounded;
  for (const std::byte code : packed.tiles) {
    rounded.push_back(model::e4m3_to_float(static_cast<uint8_t>(code)) * packed.scales.front());
  }
  std::ranges::sort(values);
  std::ranges::sort(rounded);
  ASSERT_EQ(values.size(), rounded.size());
  const float least_step = packed.scales.front() / 512;
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_LE(std::fabs(rounded[i] - values[i]),
              std::max(std::fabs(values[i]) / 16, least_step / 2) * 1.0001F);
  }
}

TEST(PackAsFp8, LeavesZerosZero) {
  const OwnedMatrix zeros(kTileRows, kGroup, model::StoredType::kBF16);
  const PackedHostMatrix packed = pack_as_fp8(zeros.share);
  EXPECT_EQ(packed.tiles, std::vector<std::byte>(size_t{kTileRows} * kGroup));
  EXPECT_EQ(packed.scales, std::vector<float>{1});
}

// What a band has of a row's columns, and its scale of them.
struct BandPlace {
  size_t code;
  size_t scale;
};
BandPlace band_place(const kernels::PackedMatrix& matrix, int row, int column) {
  const int block = column / (2 * kGroup);
  const int groups = std::min(2, matrix.groups() - 2 * block);
  const size_t whole_blocks =
      size_t{1} * block * matrix.bands() * kernels::PackedMatrix::band_bytes(2);
  const size_t band =
      whole_blocks + size_t{1} * (row / 8) * kernels::PackedMatrix::band_bytes(groups);
  const int in_block = column % (2 * kGroup);
  return {band + in_block / 16 * 128 + row % 8 * 16 + in_block % 16,
          band + groups * kGroup * 8 + in_block / kGroup * sizeof(float)};
}

TEST(PackBands, PutsCodesNextToTheScalesOfTheirRows) {
  constexpr int kRows = 136;  // the last band has scales of its own
  constexpr int kColumns = 300;
  OwnedMatrix codes(kRows, kColumns, model::StoredType::kF8E4M3);
  codes.share.scales = {1, 2, 3, 4, 5, 6};
  codes.share.scale_columns = 3;
  for (int row = 0; row < kRows; ++row) {
    for (int column = 0; column < kColumns; ++column) codes.set(row, column, code_at(row, column));
  }
  const PackedHostMatrix packed = pack_bands(codes.share);
  const kernels::PackedMatrix shape = packed.shape();
  EXPECT_TRUE(shape.is_banded);
  EXPECT_TRUE(packed.scales.empty());
  ASSERT_EQ(packed.tiles.size(), static_cast<size_t>(shape.bytes()));
  size_t others = packed.tiles.size();
  for (int row = 0; row < kRows; ++row) {
    for (int column = 0; column < kColumns; ++column) {
      const BandPlace place = band_place(shape, row, column);
      ASSERT_EQ(static_cast<uint8_t>(packed.tiles[place.code]), code_at(row, column))
          << row << ", " << column;
      float scale = 0;
      std::memcpy(&scale, &packed.tiles[place.scale], sizeof scale);
      ASSERT_EQ(scale, codes.share.scale(row, column)) << row << ", " << column;
      others -= packed.tiles[place.code] == std::byte{} ? 0 : 1;
    }
  }
  // Nothing else is set but scales.
  const size_t scales = size_t{1} * kRows / 8 * shape.groups() * sizeof(float);
  EXPECT_LE(packed.tiles.size() - others + 0U,
            static_cast<size_t>(std::ranges::count_if(
                packed.tiles, [](std::byte code) { return code != std::byte{}; })));
  EXPECT_LE(std::ranges::count_if(packed.tiles, [](std::byte code) { return code != std::byte{}; }),
            static_cast<std::ptrdiff_t>(packed.tiles.size() - others + scales));
}

TEST(PackBands, LeavesAMatrixOfBf16AsItIs) {
  const HostWeights weights(32, 128, false, 1);
  const PackedHostMatrix packed = pack_bands(weights.share());
  EXPECT_FALSE(packed.is_banded);
  EXPECT_EQ(packed.tiles, pack(weights.share()).tiles);
}

}  // namespace
}  // namespace slipstream::step::test
