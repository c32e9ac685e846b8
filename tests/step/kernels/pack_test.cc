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

// Where a code of a banded matrix lies, and the scale of its row's group.
struct BandPlace {
  int64_t code;
  int64_t scale;
};
BandPlace band_place(const kernels::PackedMatrix& matrix, int64_t row, int64_t column) {
  const int64_t block = column / 256;
  const int groups = std::min(2, matrix.groups() - 2 * static_cast<int>(block));
  const int64_t blocks = block * matrix.bands() * kernels::PackedMatrix::band_bytes(2);
  const int64_t band = blocks + row / 8 * kernels::PackedMatrix::band_bytes(groups);
  const int64_t in_block = column % 256;
  return {band + in_block / 16 * 128 + row % 8 * 16 + in_block % 16,
          band + groups * 1024L + in_block / 128 * 4};
}

TEST(PackBands, PutsCodesNextToTheScalesOfTheirRows) {
  constexpr int kRows = 136;  // the last bands have scales of their own
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
  std::vector<std::byte> rest = packed.tiles;
  for (int row = 0; row < kRows; ++row) {
    for (int column = 0; column < kColumns; ++column) {
      const BandPlace place = band_place(shape, row, column);
      ASSERT_EQ(static_cast<uint8_t>(packed.tiles[place.code]), code_at(row, column))
          << row << ", " << column;
      float scale = 0;
      std::memcpy(&scale, &packed.tiles[place.scale], sizeof scale);
      ASSERT_EQ(scale, codes.share.scale(row, column)) << row << ", " << column;
      rest[place.code] = {};
      std::memset(&rest[place.scale], 0, sizeof scale);
    }
  }
  EXPECT_EQ(rest, std::vector<std::byte>(rest.size()));
}

TEST(PackBands, LeavesAMatrixOfBf16AsItIs) {
  const HostWeights weights(32, 128, false, 1);
  const PackedHostMatrix packed = pack_bands(weights.share());
  EXPECT_FALSE(packed.is_banded);
  EXPECT_EQ(packed.tiles, pack(weights.share()).tiles);
}

}  // namespace
}  // namespace slipstream::step::test
