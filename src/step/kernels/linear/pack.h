// Weights in the order in which the kernels consume them.
//
// A tile is 16 rows. For each 128 columns of it lane l of a warp multiplies rows g and g + 8
// (g = l / 4), columns 32 q to 32 q + 31 (q = l % 4), in steps of 8 (e4m3) or 4 (bf16) columns. A
// step is 512 bytes, 16 per lane: the first half of the step's columns of row g, of row g + 8, then
// the second half of both. Four steps are a chunk.
//
// A banded matrix is in blocks of 256 columns, the last of which may have 128. A block is the bands of
// eight rows one after the other: of each 16 columns 16 bytes of each row, then a scale for each 128
// columns, which take 16 bytes. So what a run of rows has in a block is contiguous, and 16 columns of a
// band are what wgmma and ldmatrix take as one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "model/checkpoint.h"
#include "step/kernels/linear/params.h"

namespace slipstream::step {

// A packed matrix, or several equal ones, in host memory.
struct PackedHostMatrix {
  std::vector<std::byte> tiles;
  std::vector<float> scales;  // [tiles, groups]
  int rows = 0;
  int columns = 0;
  bool is_fp8 = false;
  bool is_banded = false;

  // Without memory.
  [[nodiscard]] kernels::PackedMatrix shape() const {
    return {.rows = rows, .columns = columns, .is_fp8 = is_fp8, .is_banded = is_banded};
  }
};

[[nodiscard]] PackedHostMatrix pack(const model::MatrixShare& matrix);
// Matrices on top of each other, packed as one. All have the same columns and format, and rows that
// are multiples of 16.
[[nodiscard]] PackedHostMatrix pack_stacked(const std::vector<model::MatrixShare>& matrices);
// An e4m3 matrix, banded. One of bf16 as pack() does.
[[nodiscard]] PackedHostMatrix pack_bands(const model::MatrixShare& matrix);
// A bf16 matrix as e4m3: every 16 rows of 128 columns have a scale of their own, with which the largest
// of them is the largest code.
[[nodiscard]] PackedHostMatrix pack_as_fp8(const model::MatrixShare& matrix);
// A bf16 matrix by its elements' bits.
[[nodiscard]] PackedHostMatrix pack_bf16(int rows, int columns,
                                         const std::function<uint16_t(int, int)>& element);

}  // namespace slipstream::step
