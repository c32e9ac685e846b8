#include "emulator/instructions/tensor_box.h"

#include <algorithm>

namespace slipstream::emulator {
namespace {

// A dimension across rows, innermost first.
struct Loop {
  uint32_t count = 0;   // of copied elements or slices
  uint32_t step = 1;    // from one to the next
  int64_t first = 0;    // coordinate
  uint64_t size = 0;    // coordinates below it are inside
  uint64_t stride = 0;  // bytes from one coordinate to the next
};

uint32_t steps_in(uint32_t box, uint32_t step) { return (box + step - 1) / step; }

uint32_t channels_of(const TensorMap& map) { return slice_of(map.interleave) / bytes_of(map.type); }

bool is_interleaved(const TensorMap& map) { return map.interleave != TensorInterleave::kNone; }

uint32_t row_elements_of(const TensorMap& map) {
  return is_interleaved(map) ? channels_of(map) : map.box[0];
}

// A row that is shorter than its swizzle's span takes all of it.
uint32_t row_pitch_of(const TensorMap& map) {
  const uint32_t bytes = row_elements_of(map) * bytes_of(map.type);
  return is_interleaved(map) ? bytes : std::max(bytes, span_of(map.swizzle));
}

int64_t floor_divide(int64_t value, int64_t divisor) {
  return value >= 0 ? value / divisor : -((-value + divisor - 1) / divisor);
}

Loop loop_over(const TensorMap& map, const Coordinates& at, size_t i) {
  return {steps_in(map.box[i], map.step[i]), map.step[i], at[i], map.size[i], map.strides[i - 1]};
}

// Interleaved: all rows of a slice of channels come before the next slice, which in memory follows
// the whole of the dimension before the last.
Loop loop_over_slices(const TensorMap& map, const Coordinates& at) {
  const uint32_t channels = channels_of(map);
  return {steps_in(map.box[0], channels), 1, floor_divide(at[0], channels),
          (map.size[0] + channels - 1) / channels,
          map.strides[map.rank - 3U] * map.size[map.rank - 2U]};
}

std::vector<Loop> loops_of(const TensorMap& map, const Coordinates& at) {
  std::vector<Loop> loops;
  for (size_t i = 1; i < map.rank; ++i) {
    const bool is_last = i + 1U == map.rank;
    if (is_last && is_interleaved(map)) loops.push_back(loop_over_slices(map, at));
    loops.push_back(loop_over(map, at, i));
  }
  return loops;
}

// The elements of a row that lie inside of dimension 0, as bytes of the row.
struct Inside {
  uint32_t begin = 0;
  uint32_t end = 0;
};

Inside inside_of(const TensorMap& map, int64_t first, uint32_t elements) {
  const int64_t bytes = bytes_of(map.type);
  const auto size = static_cast<int64_t>(map.size[0]);
  const int64_t begin = std::clamp<int64_t>(-first, 0, elements);
  const int64_t end = std::clamp<int64_t>(size - first, begin, elements);
  return {static_cast<uint32_t>(begin * bytes), static_cast<uint32_t>(end * bytes)};
}

// Walks through all rows of the box.
class Walk {
 public:
  Walk(const TensorMap& map, const Coordinates& at)
      : map_(map), first_(at[0]), loops_(loops_of(map, at)) {
    slices_ = is_interleaved(map) ? map.rank - 2U : loops_.size();
  }

  size_t row_count() const {
    size_t count = 1;
    for (const Loop& loop : loops_) count *= loop.count;
    return count;
  }

  BoxRow row(uint32_t row_elements) const {
    BoxRow row;
    uint64_t address = map_.address;
    int64_t first = first_;
    for (size_t i = 0; i < loops_.size(); ++i) {
      const Loop& loop = loops_[i];
      const int64_t coordinate = loop.first + int64_t{index_[i]} * loop.step;
      if (coordinate < 0 || static_cast<uint64_t>(coordinate) >= loop.size) return row;
      address += static_cast<uint64_t>(coordinate) * loop.stride;
      if (i == slices_) first = coordinate * channels_of(map_);
    }
    const Inside inside = inside_of(map_, first, row_elements);
    row.begin = inside.begin;
    row.end = inside.end;
    const bool has_slices = slices_ < loops_.size();
    if (!has_slices) address += static_cast<uint64_t>(first * bytes_of(map_.type));
    row.address = address + inside.begin;
    return row;
  }

  void advance() {
    for (size_t i = 0; i < loops_.size() && ++index_[i] == loops_[i].count; ++i) index_[i] = 0;
  }

 private:
  const TensorMap& map_;
  int64_t first_;
  std::vector<Loop> loops_;
  size_t slices_;  // the loop over slices of channels; loops_.size(): none
  std::array<uint32_t, kMaxTensorRank> index_{};
};

}  // namespace

bool starts_aligned(const TensorMap& map, const Coordinates& at) {
  constexpr int64_t kUnit = 16;
  const int64_t unit = std::max<int64_t>(kUnit, slice_of(map.interleave));
  return int64_t{at[0]} * bytes_of(map.type) % unit == 0;
}

uint64_t shared_bytes_of(const TensorMap& map) {
  const Walk walk(map, {});
  return walk.row_count() * row_pitch_of(map);
}

Box make_box(const TensorMap& map, const Coordinates& at) {
  Box box;
  box.row_bytes = row_elements_of(map) * bytes_of(map.type);
  box.row_pitch = row_pitch_of(map);
  Walk walk(map, at);
  box.rows.resize(walk.row_count());
  uint32_t offset = 0;
  for (BoxRow& row : box.rows) {
    row = walk.row(row_elements_of(map));
    row.offset = offset;
    offset += box.row_pitch;
    walk.advance();
  }
  return box;
}

}  // namespace slipstream::emulator
