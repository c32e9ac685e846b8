// Weights in the order in which the kernels consume them.
//
// A tile is 16 rows. For each 128 columns of it lane l of a warp multiplies rows g and g + 8
// (g = l / 4), columns 32 q to 32 q + 31 (q = l % 4), in steps of 8 (e4m3) or 4 (bf16) columns. A
// step is 512 bytes, 16 per lane: the first half of the step's columns of row g, of row g + 8, then
// the second half of both. Four steps are a chunk.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "model/checkpoint.h"

namespace slipstream::step {

// A packed matrix, or several equal ones, in host memory.
struct PackedHostMatrix {
  std::vector<std::byte> tiles;
  std::vector<float> scales;  // [tiles, groups]
  int rows = 0;
  int columns = 0;
  bool is_fp8 = false;
  bool is_banded = false;
};

[[nodiscard]] PackedHostMatrix pack(const model::MatrixShare& matrix);
// Matrices on top of each other, packed as one. All have the same columns and format, and rows that
// are multiples of 16.
[[nodiscard]] PackedHostMatrix pack_stacked(const std::vector<model::MatrixShare>& matrices);
// An e4m3 matrix in bands of eight rows for wgmma: of each two groups of columns first all bands, of a
// band 16 columns of its rows after 16 columns, and then the scales of both groups, which take 16 bytes.
[[nodiscard]] PackedHostMatrix pack_bands(const model::MatrixShare& matrix);
// A bf16 matrix as e4m3: every 16 rows of 128 columns have a scale of their own, with which the largest
// of them is the largest code.
[[nodiscard]] PackedHostMatrix pack_as_fp8(const model::MatrixShare& matrix);
// A bf16 matrix by its elements' bits.
[[nodiscard]] PackedHostMatrix pack_bf16(int rows, int columns,
                                         const std::function<uint16_t(int, int)>& element);

}  // namespace slipstream::step
