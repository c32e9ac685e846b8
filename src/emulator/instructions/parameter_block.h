// Parameters of device functions and calls: a block of bytes for each lane, in the register file. Operands: the values.
// immediate: where the block is, its size for each lane, the offset in it.
#pragma once

#include <cstring>

#include "emulator/instructions/lanes.h"
#include "emulator/instructions/moved_values.h"
#include "emulator/program/operation.h"

namespace slipstream::emulator {

inline int64_t encode_block(const ParameterBlock& block, int64_t offset) {
  return static_cast<int64_t>(block.offset) | (static_cast<int64_t>(block.bytes) << 24) |
         (offset << 44);
}

inline std::byte* block_lane(const Operation& operation, Warp& warp, uint32_t lane) {
  const auto immediate = static_cast<uint64_t>(operation.immediate);
  const uint64_t block = immediate & 0xffffffU;
  const uint64_t bytes = (immediate >> 24U) & 0xfffffU;
  const uint64_t offset = immediate >> 44U;
  return warp.registers + block + lane * bytes + offset;
}

template <class T, size_t kCount>
Step load_parameter(const Operation& operation, Warp& warp, uint32_t executing) {
  for_each_lane(executing, [&](uint32_t lane) {
    const std::byte* const host = block_lane(operation, warp, lane);
    for (size_t i = 0; i < kCount; ++i) {
      operand<Lane<T>>(operation, warp, i)[lane] = read_element<T>(host + i * sizeof(T));
    }
  });
  return Step::kNext;
}
template <class T, size_t kCount>
Step store_parameter(const Operation& operation, Warp& warp, uint32_t executing) {
  for_each_lane(executing, [&](uint32_t lane) {
    std::byte* const host = block_lane(operation, warp, lane);
    for (size_t i = 0; i < kCount; ++i) {
      const T value = static_cast<T>(operand<Lane<T>>(operation, warp, i)[lane]);
      std::memcpy(host + i * sizeof(T), &value, sizeof(T));
    }
  });
  return Step::kNext;
}

}  // namespace slipstream::emulator
