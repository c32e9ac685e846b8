// What the tests of the sparse attention kernels share: sequences in pages that lie in any order,
// and numbers on both sides.
#pragma once

#include <cuda_bf16.h>

#include <cmath>
#include <cstdint>
#include <vector>

#include "model/float_formats.h"
#include "model/reference/caches.h"
#include "model/reference/matrix.h"
#include "step/kernels/support/step_row.h"
#include "tests/model/support/random.h"
#include "tests/step/kernels/device_values.h"

namespace slipstream::step::test {

using model::reference::Matrix;

// Tokens at the last positions of sequences of their own, with a page table.
class PagedTokens {
 public:
  // Token t sees contexts[t] keys.
  explicit PagedTokens(const std::vector<int>& contexts)
      : pages_per_sequence_(pages_for(contexts)),
        page_count_(pages_per_sequence_ * static_cast<int>(contexts.size())),
        rows_(make_rows(contexts)),
        table_(make_table(static_cast<int>(contexts.size()))),
        device_rows_(rows_),
        device_table_(table_) {}

  [[nodiscard]] int tokens() const { return static_cast<int>(rows_.size()); }
  [[nodiscard]] int pages() const { return page_count_; }
  [[nodiscard]] int most_positions() const { return pages_per_sequence_ * kernels::kPageSize; }
  [[nodiscard]] int position(int token) const { return rows_[token].position; }
  [[nodiscard]] kernels::SettledPlaces places() const {
    return {{device_rows_.data()}, {device_table_.data()}, pages_per_sequence_};
  }
  [[nodiscard]] model::reference::PageTable page_table(int token) const {
    const auto first = table_.begin() + static_cast<ptrdiff_t>(token) * pages_per_sequence_;
    return {{first, first + pages_per_sequence_}};
  }

 private:
  static int pages_for(const std::vector<int>& contexts) {
    int most = 0;
    for (const int context : contexts) most = std::max(most, context);
    return (most + kernels::kPageSize - 1) / kernels::kPageSize;
  }
  static std::vector<kernels::StepRow> make_rows(const std::vector<int>& contexts) {
    std::vector<kernels::StepRow> rows(contexts.size());
    for (size_t i = 0; i < rows.size(); ++i) {
      rows[i].position = contexts[i] - 1;
      rows[i].sequence = static_cast<int>(i);
    }
    return rows;
  }
  // All sequences' pages shuffled.
  [[nodiscard]] std::vector<int> make_table(int sequences) const {
    std::vector<int> table(static_cast<size_t>(sequences) * pages_per_sequence_);
    std::mt19937 generator(1);
    for (size_t i = 0; i < table.size(); ++i) {
      table[i] = static_cast<int>(i);
      std::swap(table[i], table[generator() % (i + 1)]);
    }
    return table;
  }

  int pages_per_sequence_;
  int page_count_;
  std::vector<kernels::StepRow> rows_;
  std::vector<int> table_;
  DeviceValues<kernels::StepRow> device_rows_;
  DeviceValues<int> device_table_;
};

// Random values that bf16 holds.
[[nodiscard]] inline model::reference::Matrix random_bf16(int rows, int columns, unsigned seed,
                                                          float scale = 1) {
  model::reference::Matrix result = model::test::random_matrix(rows, columns, seed);
  for (float& value : result.values()) value = model::round_to_bf16(value * scale);
  return result;
}

// Their bits in device memory.
class DeviceBf16 {
 public:
  explicit DeviceBf16(const model::reference::Matrix& matrix) : values_(bits_of(matrix)) {}
  explicit DeviceBf16(size_t size) : values_(size) {}

  [[nodiscard]] __nv_bfloat16* data() const {
    return reinterpret_cast<__nv_bfloat16*>(values_.data());
  }
  [[nodiscard]] std::vector<uint16_t> bits() const { return values_.download(); }
  [[nodiscard]] model::reference::Matrix download(int rows, int columns) const {
    model::reference::Matrix result(rows, columns);
    const std::vector<uint16_t> bits = values_.download();
    for (size_t i = 0; i < result.values().size(); ++i) {
      result.values()[i] = model::bf16_to_float(bits[i]);
    }
    return result;
  }

 private:
  static std::vector<uint16_t> bits_of(const model::reference::Matrix& matrix) {
    std::vector<uint16_t> bits;
    for (const float value : matrix.values()) bits.push_back(model::float_to_bf16(value));
    return bits;
  }

  DeviceValues<uint16_t> values_;
};

// Frequencies of the rotation, and the kernels' table of it.
[[nodiscard]] inline std::vector<float> test_frequencies() {
  std::vector<float> frequencies;
  for (int i = 0; i < kernels::kRope / 2; ++i) {
    frequencies.push_back(std::pow(10000.0F, static_cast<float>(-i) / 32));
  }
  return frequencies;
}
[[nodiscard]] inline std::vector<float> test_rope_table(int positions) {
  std::vector<float> table;
  for (int position = 0; position < positions; ++position) {
    std::vector<float> sines;
    for (const float frequency : test_frequencies()) {
      const double angle = static_cast<float>(position) * frequency;
      table.push_back(static_cast<float>(std::cos(angle)));
      sines.push_back(static_cast<float>(std::sin(angle)));
    }
    table.insert(table.end(), sines.begin(), sines.end());
  }
  return table;
}

// Length of the difference over the length of the expected vector.
[[nodiscard]] inline double relative_distance(std::span<const float> actual,
                                              std::span<const float> expected) {
  double difference = 0;
  double length = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    difference += std::pow(actual[i] - expected[i], 2);
    length += std::pow(expected[i], 2);
  }
  return std::sqrt(difference / length);
}

}  // namespace slipstream::step::test
