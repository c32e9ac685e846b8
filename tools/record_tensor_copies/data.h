// What memory holds before a copy.
#pragma once

#include <cstddef>

#include "cases.h"
#include "form.h"

namespace slipstream::record_tensor_copies {

using record_vectors::Bytes;

inline constexpr uint32_t kTensorSeed = 1;
inline constexpr uint32_t kSharedSeed = 2;

// Random bits, and where elements are floating-point numbers, every third one a special value: zeros,
// subnormals, infinities, NaNs, halfway cases. The same for the same seed on every machine.
Bytes initial_bytes(const Case& one, size_t size, uint32_t seed);

}  // namespace slipstream::record_tensor_copies
