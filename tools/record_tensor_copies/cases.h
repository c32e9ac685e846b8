// The tensor maps and copies whose results are recorded on a GPU and replayed on the emulator.
#pragma once

#include <cuda.h>

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace slipstream::record_tensor_copies {

enum class Kind : uint8_t { kEncode, kLoad, kStore, kReduce };

// The arguments of cuTensorMapEncodeTiled, and one copy by that map.
struct Case {
  std::string name;
  Kind kind = Kind::kEncode;
  std::string reduction;  // "add"
  CUtensorMapDataType type = CU_TENSOR_MAP_DATA_TYPE_FLOAT16;
  uint32_t rank = 2;
  std::array<cuuint64_t, 5> size{};
  std::array<cuuint64_t, 4> strides{};
  std::array<cuuint32_t, 5> box{};
  std::array<cuuint32_t, 5> step{1, 1, 1, 1, 1};
  CUtensorMapInterleave interleave = CU_TENSOR_MAP_INTERLEAVE_NONE;
  CUtensorMapSwizzle swizzle = CU_TENSOR_MAP_SWIZZLE_NONE;
  CUtensorMapL2promotion promotion = CU_TENSOR_MAP_L2_PROMOTION_NONE;
  CUtensorMapFloatOOBfill fill = CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE;
  uint64_t address_offset = 0;  // of the tensor, from an address aligned to 512
  std::array<int32_t, 5> at{};
  uint32_t shared_offset = 0;  // of the box, from a shared address aligned to 1024
  uint32_t moved = 0;          // bytes of the box
  uint32_t announced = 0;      // bytes that the mbarrier expects
};

inline constexpr uint32_t kSharedBytes = 8192;   // that a copy may touch
inline constexpr uint32_t kTensorBytes = 32768;  // of memory that holds the tensor

unsigned element_bytes(CUtensorMapDataType type);
bool is_floating(CUtensorMapDataType type);

// Names are unique.
std::vector<Case> all_cases();

}  // namespace slipstream::record_tensor_copies
