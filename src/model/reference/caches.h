// The two paged caches of a layer, in the bytes that the engine's kernels read and write
// (docs/model.md, 2.6).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "model/reference/numerics.h"

namespace slipstream::model::reference {

inline constexpr int kPageSize = 64;
inline constexpr int kLatentWidth = 512;
inline constexpr int kRopeWidth = 64;
inline constexpr int kIndexWidth = 128;

// Pages of one sequence, in the order of its positions.
struct PageTable {
  std::vector<int> pages;
  [[nodiscard]] int slot(int position) const {
    return pages[position / kPageSize] * kPageSize + position % kPageSize;
  }
};

[[nodiscard]] size_t latent_row_bytes(LatentFormat format);

// Rows [latent 512 | rotated key 64], one after the other.
class LatentCache {
 public:
  LatentCache(const Numerics& numerics, int pages);

  void write(int slot, std::span<const float> latent, std::span<const float> rope);
  // 576 floats: what attention sees of the row.
  void read(int slot, std::span<float> row) const;
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

 private:
  void write_fp8(std::byte* row, std::span<const float> latent, std::span<const float> rope) const;
  void read_fp8(const std::byte* row, std::span<float> result) const;

  Numerics numerics_;
  std::vector<std::byte> bytes_;
};

// Pages of 64 keys: 64 x 128 e4m3 codes, then 64 fp32 scales. In exact mode the keys are kept as
// they are.
class IndexKeyCache {
 public:
  IndexKeyCache(const Numerics& numerics, int pages);

  void write(int slot, std::span<const float> key);
  // The codes' values (exact: the key itself); returns the scale that belongs to them (exact: 1).
  [[nodiscard]] float read(int slot, std::span<float> values) const;
  [[nodiscard]] std::span<const std::byte> bytes() const { return bytes_; }

 private:
  Numerics numerics_;
  std::vector<std::byte> bytes_;
  std::vector<float> exact_keys_;
};

}  // namespace slipstream::model::reference
