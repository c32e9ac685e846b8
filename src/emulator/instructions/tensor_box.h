// Where a copy by a tensor map finds its elements: the rows of a box, in the tensor and in shared
// memory.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "emulator/machine/tensor_map.h"

namespace slipstream::emulator {

inline constexpr uint32_t kTensorChunk =
    16;  // what copies align to in the tensor, and swizzles move

using Coordinates = std::array<int32_t, kMaxTensorRank>;

// Elements of the box that follow each other in the tensor. Those outside of the tensor have no
// address: only bytes [begin, end) of the row are inside.
struct BoxRow {
  uint32_t offset = 0;   // in the box, where nothing is swizzled
  uint32_t begin = 0;    // as `end`, relative to the row
  uint32_t end = 0;      // not above `begin`: all of the row is outside
  uint64_t address = 0;  // global, of byte `begin`
};

struct Box {
  uint32_t row_bytes = 0;
  uint32_t row_pitch = 0;  // from one row to the next in shared memory
  std::vector<BoxRow> rows;

  // What an mbarrier counts: all elements of the box, inside of the tensor or not.
  uint32_t bytes() const { return row_bytes * static_cast<uint32_t>(rows.size()); }
};

// Why the copy is not supported: what a device does is not known. Nothing if it is.
std::optional<std::string> unknown_copy(const TensorMap& map, const Coordinates& at);
// Whether the box at these coordinates starts at a multiple of 16 bytes in the tensor.
bool starts_aligned(const TensorMap& map, const Coordinates& at);
// Wants both of these to be well.
Box make_box(const TensorMap& map, const Coordinates& at);

// Where a byte of the unswizzled box is. The 16-byte chunks of a row are permuted by bits of the
// shared address above them, so `address` must be the whole address.
inline uint64_t swizzled(uint64_t address, TensorSwizzle swizzle) {
  if (swizzle == TensorSwizzle::kNone) return address;
  const uint64_t mask = uint64_t{span_of(swizzle)} - kTensorChunk;
  return address ^ (address >> 3U & mask);
}

}  // namespace slipstream::emulator
