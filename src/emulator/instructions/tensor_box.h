// Where a copy by a tensor map finds its elements: the rows of a box, in the tensor and in shared
// memory.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "emulator/machine/tensor_map.h"

namespace slipstream::emulator {

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

// Bytes that the box takes in shared memory.
uint64_t shared_bytes_of(const TensorMap& map);
// The address of the first element must be a multiple of 16; see starts_aligned().
Box make_box(const TensorMap& map, const Coordinates& at);
// Whether the box at these coordinates starts at a multiple of 16 bytes in the tensor (interleaved:
// with a slice of channels).
bool starts_aligned(const TensorMap& map, const Coordinates& at);

// Where a byte of the unswizzled box is. The 16-byte chunks of a row are permuted by bits of the
// shared address above them, so `address` must be the whole address.
inline uint64_t swizzled(uint64_t address, TensorSwizzle swizzle) {
  constexpr uint64_t kChunk = 16;
  if (swizzle == TensorSwizzle::kNone) return address;
  const uint64_t mask = span_of(swizzle) - kChunk;
  return address ^ (address >> 3U & mask);
}

}  // namespace slipstream::emulator
