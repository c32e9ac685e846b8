// Limits that operators share.
#pragma once

#include <cstdint>

namespace slipstream::ops {

// CTAs of a grid in its second and third dimension; CUDA's limit.
inline constexpr int64_t kMaxGridY = 65535;
inline constexpr int64_t kMaxGridZ = 65535;

// Of a token and of a row. Kernels count both in an int.
inline constexpr int64_t kMaxHeads = 1 << 20;
inline constexpr int64_t kMaxColumns = 1 << 24;

}  // namespace slipstream::ops
