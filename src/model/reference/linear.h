// y = x W^T with bf16 or block-scaled fp8 weights (docs/model.md, 2.3).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "model/checkpoint.h"
#include "model/reference/matrix.h"
#include "model/reference/numerics.h"

namespace slipstream::model::reference {

// Quantization group of activations and side of a weight block.
inline constexpr int kBlock = 128;

struct Linear {
  int rows = 0;
  int columns = 0;
  bool fp8 = false;
  std::vector<float> values;  // [rows, columns] as stored: of fp8 the codes' values, without scale
  std::vector<float> scales;  // fp8: of the blocks that the rows touch, [, ceil(columns / 128)]
  int first_row = 0;          // of the first block

  [[nodiscard]] std::span<const float> row(int index) const {
    return {values.data() + static_cast<size_t>(index) * columns, static_cast<size_t>(columns)};
  }
  // Multiplier of row `row` in the column block `block`.
  [[nodiscard]] float scale(int row, int block) const;
};

[[nodiscard]] Linear load_linear(const Checkpoint& checkpoint, const std::string& name);

// One group of activations as e4m3: x is about codes * scale. The clamp of amax and the rounding of
// the scale are those of linear inputs and of the indexer's q and k alike.
struct QuantizedGroup {
  std::vector<uint8_t> codes;
  float scale = 0;
};
[[nodiscard]] QuantizedGroup quantize_group(std::span<const float> x, bool ue8m0);

// The linear as the engine computes it, result in bf16: with fp8 weights x is quantized per 128
// columns and products are summed per block before they are scaled; with bf16 weights x is taken as
// it is. Exact: nothing is rounded.
[[nodiscard]] Matrix linear(const Numerics& numerics, const Linear& weights, const Matrix& x);

// The same for a bf16 matrix whose result stays fp32: router, indexer head weights, head.
[[nodiscard]] Matrix linear_fp32(const Linear& weights, const Matrix& x);

}  // namespace slipstream::model::reference
