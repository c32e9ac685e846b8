// Tensor maps: what cuTensorMapEncodeTiled makes, and what copies of tensors read.
//
// The 128 bytes of a map are opaque to programs, and NVIDIA's are to us: these have a layout of our
// own, with a mark and a checksum, so that a map that was never encoded is told from one that was.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace slipstream::emulator {

// The numbers are those of the driver's CUtensorMapDataType, and so on below.
enum class TensorType : uint8_t {
  kU8,
  kU16,
  kU32,
  kS32,
  kU64,
  kS64,
  kF16,
  kF32,
  kF64,
  kBf16,
  kF32Ftz,
  kTf32,
  kTf32Ftz,
};
enum class TensorInterleave : uint8_t { kNone, k16Bytes, k32Bytes };
enum class TensorSwizzle : uint8_t { kNone, k32Bytes, k64Bytes, k128Bytes };
enum class TensorFill : uint8_t { kZero, kNan };

uint32_t bytes_of(TensorType type);
const char* name_of(TensorType type);  // "f16"
bool is_floating(TensorType type);
// Bytes that a row of a box spans in shared memory before the pattern of its 16-byte chunks starts
// again; 0 where chunks are not swizzled.
uint32_t span_of(TensorSwizzle swizzle);
// Bytes of a slice of channels; 0 where the tensor is not interleaved.
uint32_t slice_of(TensorInterleave interleave);
inline bool is_interleaved(TensorInterleave interleave) {
  return interleave != TensorInterleave::kNone;
}

inline constexpr uint32_t kMaxTensorRank = 5;
inline constexpr uint32_t kTensorMapBytes = 128;
inline constexpr uint32_t kTensorMapAlignment = 64;

// Dimension 0 is the one whose elements follow each other in memory. Of an interleaved tensor (NC/8HWC8) these are
// slices of channels, all that it has of one pixel in 16 or 32 bytes, and the dimension before the last counts slices.
struct TensorMap {
  uint64_t address = 0;
  TensorType type = TensorType::kU8;
  uint8_t rank = 1;
  TensorInterleave interleave = TensorInterleave::kNone;
  TensorSwizzle swizzle = TensorSwizzle::kNone;
  TensorFill fill = TensorFill::kZero;
  std::array<uint64_t, kMaxTensorRank> size{};         // in elements
  std::array<uint64_t, kMaxTensorRank - 1> strides{};  // in bytes, of dimensions 1 and up
  std::array<uint32_t, kMaxTensorRank> box{};          // in elements
  // From one copied element to the next; has no effect in dimension 0.
  std::array<uint32_t, kMaxTensorRank> step{};

  bool operator==(const TensorMap&) const = default;
};

// The box in shared memory: rows of what follows each other in the tensor.
//
// Bytes of what dimension 0 counts: an element, or all channels of a slice.
uint32_t unit_of(const TensorMap& map);
// What is copied along dimension `i` above 0. A box has one slice of channels, however many of them it asks for.
uint32_t count_of(const TensorMap& map, size_t i);
// The dimension across the slices of an interleaved tensor.
inline size_t slice_dimension(const TensorMap& map) { return map.rank - 2U; }
uint32_t row_bytes_of(const TensorMap& map);
// From one row to the next: a row that is shorter than its swizzle's span takes all of it.
uint32_t row_pitch_of(const TensorMap& map);
uint64_t shared_bytes_of(const TensorMap& map);

// What keeps the map from being used, as "the rank must be 1 to 5, it is 6"; nothing if it is well.
std::optional<std::string> problem_of(const TensorMap& map);

std::array<std::byte, kTensorMapBytes> pack(const TensorMap& map);
// Nothing where the bytes are no map.
std::optional<TensorMap> unpack(std::span<const std::byte, kTensorMapBytes> bytes);

}  // namespace slipstream::emulator
