#include "emulator/machine/tensor_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "emulator/machine/launch.h"

namespace slipstream::emulator {
namespace {

constexpr uint64_t kMark = 0x70616d726f736e74ULL;  // "tnsormap"

// The 128 bytes.
struct Packed {
  uint64_t mark = kMark;
  // CUTLASS clears a bit of NVIDIA's second word (a remedy for drivers up to 13.1), so nothing may
  // be here; nor does the checksum cover it.
  uint64_t second_word = 0;
  uint64_t address = 0;
  std::array<uint64_t, kMaxTensorRank> size{};
  std::array<uint64_t, kMaxTensorRank - 1> strides{};
  std::array<uint16_t, kMaxTensorRank> box{};
  std::array<uint8_t, kMaxTensorRank> step{};
  uint8_t type = 0;
  uint8_t rank = 0;
  uint8_t interleave = 0;
  uint8_t swizzle = 0;
  uint8_t fill = 0;
  uint32_t checksum = 0;
  uint64_t unused = 0;
};
static_assert(sizeof(Packed) == kTensorMapBytes);

// FNV-1a.
uint32_t checksum_of(Packed packed) {
  packed.second_word = 0;
  packed.checksum = 0;
  std::array<uint8_t, sizeof(packed)> bytes;
  std::memcpy(bytes.data(), &packed, sizeof(packed));
  uint32_t sum = 0x811c9dc5U;
  for (const uint8_t byte : bytes) sum = (sum ^ byte) * 0x01000193U;
  return sum;
}

// A value that is too large for its field stays too large.
template <class T>
T narrowed(uint32_t value) {
  return static_cast<T>(std::min<uint32_t>(value, std::numeric_limits<T>::max()));
}

constexpr uint64_t kUnit = 16;  // tensor copies move chunks of 16 bytes
constexpr uint64_t kMaxSize = 1ULL << 32;
constexpr uint64_t kMaxStride = 1ULL << 40;
constexpr uint32_t kMaxBox = 256;
constexpr uint32_t kMaxStep = 8;

std::optional<std::string> problem_of_dimension(const TensorMap& map, size_t i) {
  if (map.size[i] == 0 || map.size[i] > kMaxSize) {
    return fmt::format("globalDim[{}] must be 1 to 2^32, it is {}", i, map.size[i]);
  }
  if (map.box[i] == 0 || map.box[i] > kMaxBox) {
    return fmt::format("boxDim[{}] must be 1 to {}, it is {}", i, kMaxBox, map.box[i]);
  }
  if (map.step[i] == 0 || map.step[i] > kMaxStep) {
    return fmt::format("elementStrides[{}] must be 1 to {}, it is {}", i, kMaxStep, map.step[i]);
  }
  const uint64_t unit = map.interleave == TensorInterleave::k32Bytes ? 2 * kUnit : kUnit;
  if (i > 0 && (map.strides[i - 1] % unit != 0 || map.strides[i - 1] >= kMaxStride)) {
    return fmt::format("globalStrides[{}] must be a multiple of {} below 2^40, it is {}", i - 1,
                       unit, map.strides[i - 1]);
  }
  return std::nullopt;
}

std::optional<std::string> problem_of_layout(const TensorMap& map) {
  const uint32_t row = map.box[0] * bytes_of(map.type);
  if (row % kUnit != 0) {
    return fmt::format("boxDim[0] elements must have a multiple of {} bytes, they have {}", kUnit,
                       row);
  }
  if (is_interleaved(map.interleave)) {
    if (map.rank >= 3) return std::nullopt;
    return fmt::format("an interleaved tensor must have rank 3 to 5, it has rank {}", map.rank);
  }
  if (map.swizzle != TensorSwizzle::kNone && row > span_of(map.swizzle)) {
    return fmt::format(
        "boxDim[0] elements must have at most the {} bytes of their swizzle, they have {}",
        span_of(map.swizzle), row);
  }
  return std::nullopt;
}

// Where exactly between the memory of a CTA and 8 MiB the driver starts to refuse is not known; no such box can be
// copied.
std::optional<std::string> problem_of_size(const TensorMap& map) {
  const uint64_t bytes = shared_bytes_of(map);
  if (bytes <= Limits::kMaxSharedPerCta) return std::nullopt;
  return fmt::format("the box must fit into the {} bytes of shared memory of a CTA, it takes {}",
                     Limits::kMaxSharedPerCta, bytes);
}

}  // namespace

uint32_t bytes_of(TensorType type) {
  switch (type) {
    case TensorType::kU8:
      return 1;
    case TensorType::kU16:
    case TensorType::kF16:
    case TensorType::kBf16:
      return 2;
    case TensorType::kU64:
    case TensorType::kS64:
    case TensorType::kF64:
      return 8;
    default:
      return 4;
  }
}

const char* name_of(TensorType type) {
  constexpr std::array kNames = {"u8",  "u16", "u32",  "s32",     "u64",  "s64",     "f16",
                                 "f32", "f64", "bf16", "f32.ftz", "tf32", "tf32.ftz"};
  return kNames[static_cast<size_t>(type)];
}

bool is_floating(TensorType type) { return type >= TensorType::kF16; }

uint32_t span_of(TensorSwizzle swizzle) {
  return swizzle == TensorSwizzle::kNone ? 0 : 16U << static_cast<uint32_t>(swizzle);
}

uint32_t slice_of(TensorInterleave interleave) {
  return interleave == TensorInterleave::kNone ? 0 : 8U << static_cast<uint32_t>(interleave);
}

uint32_t unit_of(const TensorMap& map) {
  return is_interleaved(map.interleave) ? slice_of(map.interleave) : bytes_of(map.type);
}

uint32_t count_of(const TensorMap& map, size_t i) {
  if (is_interleaved(map.interleave) && i == slice_dimension(map)) return 1;
  return (map.box[i] + map.step[i] - 1) / map.step[i];
}

uint32_t row_bytes_of(const TensorMap& map) { return map.box[0] * unit_of(map); }

uint32_t row_pitch_of(const TensorMap& map) {
  return std::max(row_bytes_of(map), span_of(map.swizzle));
}

uint64_t shared_bytes_of(const TensorMap& map) {
  uint64_t bytes = row_pitch_of(map);
  for (size_t i = 1; i < map.rank; ++i) bytes *= count_of(map, i);
  return bytes;
}

std::optional<std::string> problem_of(const TensorMap& map) {
  if (map.rank == 0 || map.rank > kMaxTensorRank) {
    return fmt::format("the rank must be 1 to {}, it is {}", kMaxTensorRank, map.rank);
  }
  const uint64_t unit = map.interleave == TensorInterleave::k32Bytes ? 2 * kUnit : kUnit;
  if (map.address % unit != 0) {
    return fmt::format("globalAddress must be a multiple of {}, it is {:#x}", unit, map.address);
  }
  for (size_t i = 0; i < map.rank; ++i) {
    if (auto problem = problem_of_dimension(map, i)) return problem;
  }
  if (map.fill == TensorFill::kNan && !is_floating(map.type)) {
    return fmt::format("only floating-point tensors are filled with NaN, this one has type {}",
                       name_of(map.type));
  }
  if (auto problem = problem_of_layout(map)) return problem;
  return problem_of_size(map);
}

std::array<std::byte, kTensorMapBytes> pack(const TensorMap& map) {
  Packed packed;
  packed.address = map.address;
  packed.size = map.size;
  packed.strides = map.strides;
  for (size_t i = 0; i < kMaxTensorRank; ++i) {
    packed.box[i] = narrowed<uint16_t>(map.box[i]);
    packed.step[i] = narrowed<uint8_t>(map.step[i]);
  }
  packed.type = static_cast<uint8_t>(map.type);
  packed.rank = map.rank;
  packed.interleave = static_cast<uint8_t>(map.interleave);
  packed.swizzle = static_cast<uint8_t>(map.swizzle);
  packed.fill = static_cast<uint8_t>(map.fill);
  packed.checksum = checksum_of(packed);
  std::array<std::byte, kTensorMapBytes> bytes;
  std::memcpy(bytes.data(), &packed, sizeof(packed));
  return bytes;
}

std::optional<TensorMap> unpack(std::span<const std::byte, kTensorMapBytes> bytes) {
  Packed packed;
  std::memcpy(&packed, bytes.data(), sizeof(packed));
  if (packed.mark != kMark || packed.checksum != checksum_of(packed)) return std::nullopt;
  TensorMap map;
  map.address = packed.address;
  map.size = packed.size;
  map.strides = packed.strides;
  std::ranges::copy(packed.box, map.box.begin());
  std::ranges::copy(packed.step, map.step.begin());
  map.type = static_cast<TensorType>(packed.type);
  map.rank = packed.rank;
  map.interleave = static_cast<TensorInterleave>(packed.interleave);
  map.swizzle = static_cast<TensorSwizzle>(packed.swizzle);
  map.fill = static_cast<TensorFill>(packed.fill);
  return map;
}

}  // namespace slipstream::emulator
