#include "emulator/instructions/tensor_box.h"

#include <fmt/format.h>

#include <algorithm>

namespace slipstream::emulator {
namespace {

// A dimension across rows, innermost first.
struct Loop {
  uint32_t count = 0;   // of copied elements
  uint32_t step = 1;    // from one to the next
  int64_t first = 0;    // coordinate
  uint64_t size = 0;    // coordinates below it are inside
  uint64_t stride = 0;  // bytes from one coordinate to the next
};

std::vector<Loop> loops_of(const TensorMap& map, const Coordinates& at) {
  std::vector<Loop> loops;
  for (size_t i = 1; i < map.rank; ++i) {
    loops.push_back({count_of(map, i), map.step[i], at[i], map.size[i], map.strides[i - 1]});
  }
  return loops;
}

// The part of every row that lies inside of dimension 0, as bytes of the row.
struct Inside {
  uint32_t begin = 0;
  uint32_t end = 0;
};

Inside inside_of(const TensorMap& map, int64_t first) {
  const int64_t unit = unit_of(map);
  const int64_t count = map.box[0];
  const int64_t begin = std::clamp<int64_t>(-first, 0, count);
  const int64_t end = std::clamp<int64_t>(static_cast<int64_t>(map.size[0]) - first, begin, count);
  return {static_cast<uint32_t>(begin * unit), static_cast<uint32_t>(end * unit)};
}

// Walks through all rows of the box.
class Walk {
 public:
  Walk(const TensorMap& map, const Coordinates& at)
      : address_(map.address + static_cast<uint64_t>(int64_t{at[0]} * unit_of(map))),
        inside_(inside_of(map, at[0])),
        loops_(loops_of(map, at)) {}

  size_t row_count() const {
    size_t count = 1;
    for (const Loop& loop : loops_) count *= loop.count;
    return count;
  }

  BoxRow row() const {
    BoxRow row;
    uint64_t address = address_;
    for (size_t i = 0; i < loops_.size(); ++i) {
      const Loop& loop = loops_[i];
      const int64_t coordinate = loop.first + int64_t{index_[i]} * loop.step;
      if (coordinate < 0 || static_cast<uint64_t>(coordinate) >= loop.size) return row;
      address += static_cast<uint64_t>(coordinate) * loop.stride;
    }
    row.begin = inside_.begin;
    row.end = inside_.end;
    row.address = address + inside_.begin;
    return row;
  }

  void advance() {
    for (size_t i = 0; i < loops_.size() && ++index_[i] == loops_[i].count; ++i) index_[i] = 0;
  }

 private:
  uint64_t address_;  // of the first row, were all other coordinates 0
  Inside inside_;
  std::vector<Loop> loops_;
  std::array<uint32_t, kMaxTensorRank> index_{};
};

std::optional<std::string> unknown_interleave(const TensorMap& map, const Coordinates& at) {
  const uint32_t bytes = bytes_of(map.type);
  const size_t slices = slice_dimension(map);
  if (map.box[slices] * bytes > slice_of(map.interleave)) {
    return fmt::format(
        "of interleaved tensors, boxes of more than a slice of {} bytes are not supported; "
        "boxDim[{}] is {}",
        slice_of(map.interleave), slices, map.box[slices]);
  }
  if (map.step[0] != 1) {
    return fmt::format(
        "of interleaved tensors, steps in dimension 0 are not supported; elementStrides[0] is {}",
        map.step[0]);
  }
  if (at[0] * int64_t{bytes} % kTensorChunk != 0) {
    return fmt::format(
        "of interleaved tensors, coordinate 0 must be a multiple of {} where elements have {} "
        "bytes, others are not supported; it is {}",
        kTensorChunk / bytes, bytes, at[0]);
  }
  if (map.swizzle != TensorSwizzle::kNone && row_bytes_of(map) % span_of(map.swizzle) != 0) {
    return fmt::format(
        "of interleaved tensors, swizzled rows must be a multiple of the swizzle's {} bytes, "
        "others are not supported; they have {}",
        span_of(map.swizzle), row_bytes_of(map));
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> unknown_copy(const TensorMap& map, const Coordinates& at) {
  return is_interleaved(map.interleave) ? unknown_interleave(map, at) : std::nullopt;
}

bool starts_aligned(const TensorMap& map, const Coordinates& at) {
  return int64_t{at[0]} * unit_of(map) % kTensorChunk == 0;
}

Box make_box(const TensorMap& map, const Coordinates& at) {
  Box box;
  box.row_bytes = row_bytes_of(map);
  box.row_pitch = row_pitch_of(map);
  Walk walk(map, at);
  box.rows.resize(walk.row_count());
  uint32_t offset = 0;
  for (BoxRow& row : box.rows) {
    row = walk.row();
    row.offset = offset;
    offset += box.row_pitch;
    walk.advance();
  }
  return box;
}

}  // namespace slipstream::emulator
