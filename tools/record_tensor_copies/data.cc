#include "data.h"

#include <cstring>
#include <random>
#include <span>

namespace slipstream::record_tensor_copies {
namespace {

constexpr std::array<uint64_t, 10> kHalves = {0x0000, 0x8000, 0x0001, 0x83ff, 0x3c00,
                                              0xbc01, 0x7bff, 0x7c00, 0xfc00, 0x7e01};
constexpr std::array<uint64_t, 10> kBrainFloats = {0x0000, 0x8000, 0x0001, 0x807f, 0x3f80,
                                                   0xbf81, 0x7f7f, 0x7f80, 0xff80, 0x7fc1};
constexpr std::array<uint64_t, 14> kFloats = {
    0x00000000, 0x80000000, 0x00000001, 0x807fffff, 0x00800000, 0x3f800000, 0xbf801000,
    0x3f800fff, 0x3f801001, 0x7f7fffff, 0x7f800000, 0xff800000, 0x7fc00001, 0xff800001};
constexpr std::array<uint64_t, 6> kDoubles = {0,
                                              0x8000000000000001,
                                              0x3ff0000000000000,
                                              0x7fefffffffffffff,
                                              0x7ff0000000000000,
                                              0xfff8000000000001};

std::span<const uint64_t> special_values(CUtensorMapDataType type) {
  switch (type) {
    case CU_TENSOR_MAP_DATA_TYPE_FLOAT16:
      return kHalves;
    case CU_TENSOR_MAP_DATA_TYPE_BFLOAT16:
      return kBrainFloats;
    case CU_TENSOR_MAP_DATA_TYPE_FLOAT64:
      return kDoubles;
    default:
      return kFloats;
  }
}

}  // namespace

Bytes initial_bytes(const Case& one, size_t size, uint32_t seed) {
  std::mt19937 random(seed);
  Bytes bytes(size);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  if (!is_floating(one.type)) return bytes;
  const auto special = special_values(one.type);
  const unsigned width = element_bytes(one.type);
  for (size_t at = 0; at + width <= size; at += width) {
    const uint32_t choice = random();
    if (choice % 3 == 0) std::memcpy(&bytes[at], &special[choice / 3 % special.size()], width);
  }
  return bytes;
}

}  // namespace slipstream::record_tensor_copies
