#include "emulator/device/tensor_map_encoding.h"

#include <fmt/format.h>

#include <algorithm>

namespace slipstream::emulator {
namespace {

constexpr uint32_t kLastPromotion = 3;
constexpr uint32_t kLastType = 15;    // of the driver's: 13 to 15 are packed
constexpr uint32_t kLastSwizzle = 6;  // of the driver's: 4 to 6 have larger chunks

// The value of an enumeration up to `last`; above it, up to `last_known`, are those of newer
// devices.
template <class Enum>
Enum choice(const char* name, uint32_t value, Enum last, uint32_t last_known) {
  const auto most = static_cast<uint32_t>(last);
  if (value > most) {
    throw TensorMapError(
        value <= last_known
            ? fmt::format("{} {} is not supported: it must be 0 to {}", name, value, most)
            : fmt::format("{} must be 0 to {}, it is {}", name, most, value));
  }
  return static_cast<Enum>(value);
}

template <class Enum>
Enum choice(const char* name, uint32_t value, Enum last) {
  return choice(name, value, last, static_cast<uint32_t>(last));
}

void require_array(const void* array, const char* name) {
  if (array == nullptr) throw TensorMapError(fmt::format("{} must not be null", name));
}

void copy_dimensions(const TensorMapArguments& arguments, TensorMap& map) {
  require_array(arguments.size, "globalDim");
  require_array(arguments.box, "boxDim");
  require_array(arguments.step, "elementStrides");
  std::copy_n(arguments.size, map.rank, map.size.begin());
  std::copy_n(arguments.box, map.rank, map.box.begin());
  std::copy_n(arguments.step, map.rank, map.step.begin());
  if (map.rank > 1) {
    require_array(arguments.strides, "globalStrides");
    std::copy_n(arguments.strides, map.rank - 1, map.strides.begin());
  }
}

TensorMap checked(const TensorMap& map) {
  if (const auto problem = problem_of(map)) throw TensorMapError(*problem);
  return map;
}

}  // namespace

TensorMap encode_tensor_map(const TensorMapArguments& arguments) {
  if (arguments.rank == 0 || arguments.rank > kMaxTensorRank) {
    throw TensorMapError(
        fmt::format("tensorRank must be 1 to {}, it is {}", kMaxTensorRank, arguments.rank));
  }
  if (arguments.promotion > kLastPromotion) {
    throw TensorMapError(
        fmt::format("l2Promotion must be 0 to {}, it is {}", kLastPromotion, arguments.promotion));
  }
  TensorMap map;
  map.address = arguments.address;
  map.rank = static_cast<uint8_t>(arguments.rank);
  map.type = choice("tensorDataType", arguments.type, TensorType::kTf32Ftz, kLastType);
  map.interleave = choice("interleave", arguments.interleave, TensorInterleave::k32Bytes);
  map.swizzle = choice("swizzle", arguments.swizzle, TensorSwizzle::k128Bytes, kLastSwizzle);
  map.fill = choice("oobFill", arguments.fill, TensorFill::kNan);
  copy_dimensions(arguments, map);
  return checked(map);
}

TensorMap move_tensor_map(TensorMap map, uint64_t address) {
  map.address = address;
  return checked(map);
}

}  // namespace slipstream::emulator
