#include "step/kernels/linear/pack.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "model/float_formats.h"
#include "step/kernels/linear/params.h"

namespace slipstream::step {
namespace {

using kernels::kBandRows;
using kernels::kChunkBytes;
using kernels::kGroup;
using kernels::kTileRows;
using kernels::PackedMatrix;

constexpr int kLaneColumns = 32;

template <class Element>
PackedHostMatrix make(int rows, int columns) {
  PackedHostMatrix result;
  result.rows = rows;
  result.columns = columns;
  result.is_fp8 = sizeof(Element) == 1;
  const size_t tiles = (rows + kTileRows - 1) / kTileRows;
  const size_t groups = (columns + kGroup - 1) / kGroup;
  result.tiles.resize(tiles * groups * kTileRows * kGroup * sizeof(Element));
  return result;
}

// Where element (row, column) lies, in elements.
template <class Element>
size_t place(int row, int column, int columns) {
  constexpr int kStep = 8 / sizeof(Element);  // columns of a lane and step
  const size_t groups = (columns + kGroup - 1) / kGroup;
  const size_t group = row / kTileRows * groups + column / kGroup;
  const int in_lane = column % kLaneColumns;
  const size_t lane = row % 8 * 4 + column % kGroup / kLaneColumns;
  const size_t step = in_lane / kStep;
  const size_t half = in_lane % kStep / (kStep / 2);
  const int low_row = row % kTileRows / 8;
  return group * kTileRows * kGroup + (step * 32 + lane) * 2 * kStep +
         (half * 2 + low_row) * (kStep / 2) + in_lane % (kStep / 2);
}

template <class Element, class Get>
void fill(PackedHostMatrix& target, int first_row, int rows, const Get& get) {
  for (int row = 0; row < rows; ++row) {
    for (int column = 0; column < target.columns; ++column) {
      const Element element = get(row, column);
      std::memcpy(target.tiles.data() +
                      place<Element>(first_row + row, column, target.columns) * sizeof(Element),
                  &element, sizeof(Element));
    }
  }
}

template <class Element>
void fill_from(PackedHostMatrix& target, int first_row, const model::MatrixShare& matrix) {
  fill<Element>(target, first_row, static_cast<int>(matrix.rows), [&](int row, int column) {
    Element element;
    std::memcpy(&element, matrix.data + row * matrix.row_stride + column * sizeof(Element),
                sizeof(Element));
    return element;
  });
}

void add_scales(PackedHostMatrix& target, const model::MatrixShare& matrix) {
  for (int row = 0; row < matrix.rows; row += kTileRows) {
    for (int column = 0; column < matrix.columns; column += kGroup) {
      target.scales.push_back(matrix.scale(row, column));
    }
  }
}

// Eight rows of `groups` groups of columns, and their scales.
void fill_band(const model::MatrixShare& matrix, int64_t first_row, int64_t first_column,
               int64_t groups, std::byte* target) {
  constexpr int64_t kPiece = 16;  // columns
  const int64_t rows = std::min<int64_t>(kBandRows, matrix.rows - first_row);
  const int64_t columns = std::min<int64_t>(groups * kGroup, matrix.columns - first_column);
  for (int64_t row = 0; row < rows; ++row) {
    const std::byte* source = matrix.data + (first_row + row) * matrix.row_stride + first_column;
    for (int64_t column = 0; column < columns; column += kPiece) {
      std::memcpy(target + (column / kPiece * kBandRows + row) * kPiece, source + column,
                  std::min<int64_t>(kPiece, columns - column));
    }
  }
  std::byte* scales = target + groups * kGroup * kBandRows;
  for (int64_t group = 0; group < groups && rows > 0; ++group, scales += sizeof(float)) {
    const float scale = matrix.scale(first_row, first_column + group * kGroup);
    std::memcpy(scales, &scale, sizeof scale);
  }
}

// What the codes of 16 rows of 128 columns are multiplied with.
float code_scale(const model::MatrixShare& matrix, int64_t first_row, int64_t first_column) {
  const int64_t rows = std::min<int64_t>(first_row + kTileRows, matrix.rows);
  const int64_t columns = std::min<int64_t>(first_column + kGroup, matrix.columns);
  float largest = 0;
  for (int64_t row = first_row; row < rows; ++row) {
    for (int64_t column = first_column; column < columns; ++column) {
      largest = std::max(largest, std::fabs(matrix.raw(row, column)));
    }
  }
  return largest == 0 ? 1 : largest / model::kLargestE4M3;
}

}  // namespace

PackedHostMatrix pack(const model::MatrixShare& matrix) { return pack_stacked({matrix}); }

PackedHostMatrix pack_stacked(const std::vector<model::MatrixShare>& matrices) {
  int rows = 0;
  for (const model::MatrixShare& matrix : matrices) rows += static_cast<int>(matrix.rows);
  const model::MatrixShare& first = matrices.front();
  const int columns = static_cast<int>(first.columns);
  PackedHostMatrix result =
      first.is_fp8() ? make<uint8_t>(rows, columns) : make<uint16_t>(rows, columns);
  int row = 0;
  for (const model::MatrixShare& matrix : matrices) {
    if (matrix.is_fp8()) {
      fill_from<uint8_t>(result, row, matrix);
      add_scales(result, matrix);
    } else {
      fill_from<uint16_t>(result, row, matrix);
    }
    row += static_cast<int>(matrix.rows);
  }
  return result;
}

PackedHostMatrix pack_bands(const model::MatrixShare& matrix) {
  if (!matrix.is_fp8()) return pack(matrix);
  PackedHostMatrix result;
  result.rows = static_cast<int>(matrix.rows);
  result.columns = static_cast<int>(matrix.columns);
  result.is_fp8 = result.is_banded = true;
  const PackedMatrix shape = result.shape();
  result.tiles.resize(shape.bytes());
  std::byte* target = result.tiles.data();
  for (int first = 0; first < shape.columns; first += 2 * kGroup) {
    const int groups = std::min(2, shape.groups() - first / kGroup);
    for (int band = 0; band < shape.bands(); ++band) {
      fill_band(matrix, int64_t{band} * kBandRows, first, groups, target);
      target += PackedMatrix::band_bytes(groups);
    }
  }
  return result;
}

PackedHostMatrix pack_as_fp8(const model::MatrixShare& matrix) {
  const auto rows = static_cast<int>(matrix.rows);
  const auto columns = static_cast<int>(matrix.columns);
  PackedHostMatrix result = make<uint8_t>(rows, columns);
  for (int row = 0; row < rows; row += kTileRows) {
    for (int column = 0; column < columns; column += kGroup) {
      result.scales.push_back(code_scale(matrix, row, column));
    }
  }
  const int groups = (columns + kGroup - 1) / kGroup;
  fill<uint8_t>(result, 0, rows, [&](int row, int column) {
    const float scale =
        result.scales[static_cast<size_t>(row / kTileRows) * groups + column / kGroup];
    return model::float_to_e4m3(matrix.raw(row, column) / scale);
  });
  return result;
}

PackedHostMatrix pack_bf16(int rows, int columns,
                           const std::function<uint16_t(int, int)>& element) {
  PackedHostMatrix result = make<uint16_t>(rows, columns);
  fill<uint16_t>(result, 0, rows, element);
  return result;
}

}  // namespace slipstream::step
