// Weights of a kernel test: as a checkpoint would hand them out, as the reference takes them, and
// packed on the device.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "model/float_formats.h"
#include "model/reference/linear.h"
#include "step/kernels/linear/pack.h"
#include "step/kernels/linear/params.h"
#include "tests/model/support/random.h"
#include "tests/step/kernels/device_values.h"

namespace slipstream::step::test {

// A matrix as a checkpoint would hand it out, and as the reference takes it.
class HostWeights {
 public:
  HostWeights(int rows, int columns, bool fp8, unsigned seed)
      : values_(model::test::random_matrix(rows, columns, seed)) {
    linear_ = {.rows = rows, .columns = columns, .fp8 = fp8, .values = {}, .scales = {}};
    share_.rows = rows;
    share_.columns = columns;
    share_.type = fp8 ? model::StoredType::kF8E4M3 : model::StoredType::kBF16;
    share_.row_stride = columns * model::size_of(share_.type);
    for (const float value : values_.values()) fp8 ? add_fp8(value) : add_bf16(value);
    share_.data = bytes_.data();
    if (fp8) add_scales(rows, columns, seed);
  }
  HostWeights(const HostWeights&) = delete;
  HostWeights& operator=(const HostWeights&) = delete;

  [[nodiscard]] const model::reference::Linear& linear() const { return linear_; }
  [[nodiscard]] const model::MatrixShare& share() const { return share_; }

 private:
  void add_fp8(float value) {
    const uint8_t code = model::float_to_e4m3(value * 100);
    bytes_.push_back(std::byte{code});
    linear_.values.push_back(model::e4m3_to_float(code));
  }
  void add_bf16(float value) {
    const uint16_t bits = model::float_to_bf16(value);
    bytes_.push_back(static_cast<std::byte>(bits));
    bytes_.push_back(static_cast<std::byte>(bits >> 8));
    linear_.values.push_back(model::bf16_to_float(bits));
  }
  // No two scales are alike, so that a swapped one shows.
  void add_scales(int rows, int columns, unsigned seed) {
    share_.scale_columns = (columns + 127) / 128;
    const int64_t count = (rows + 127) / 128 * share_.scale_columns;
    std::mt19937 generator(seed);
    for (int64_t i = 0; i < count; ++i) {
      share_.scales.push_back(0.01F + static_cast<float>(generator() % 1000) * 1e-4F);
    }
    linear_.scales = share_.scales;
  }

  model::reference::Matrix values_;
  std::vector<std::byte> bytes_;
  model::reference::Linear linear_;
  model::MatrixShare share_;
};

inline std::vector<uint16_t> to_bf16(const model::reference::Matrix& matrix) {
  std::vector<uint16_t> bits;
  for (const float value : matrix.values()) bits.push_back(model::float_to_bf16(value));
  return bits;
}

inline model::reference::Matrix rounded(model::reference::Matrix matrix) {
  for (float& value : matrix.values()) value = model::round_to_bf16(value);
  return matrix;
}

// One matrix, or several equal ones one after the other.
class UploadedMatrix {
 public:
  explicit UploadedMatrix(const PackedHostMatrix& packed)
      : tiles_(packed.tiles), scales_(packed.scales) {
    matrix_.tiles = {tiles_.data()};
    matrix_.scales = {scales_.data()};
    matrix_.rows = packed.rows;
    matrix_.columns = packed.columns;
    matrix_.is_fp8 = packed.is_fp8;
    matrix_.is_banded = packed.is_banded;
  }
  [[nodiscard]] const kernels::PackedMatrix& matrix() const { return matrix_; }

 private:
  DeviceValues<std::byte> tiles_;
  DeviceValues<float> scales_;
  kernels::PackedMatrix matrix_;
};

}  // namespace slipstream::step::test
