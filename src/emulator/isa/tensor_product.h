// The arithmetic of the matrix units: sums of products that are exact, aligned to the largest, cut
// off, and summed.
#pragma once

#include <array>
#include <cstdint>

namespace slipstream::emulator::isa {

// The tile that one step works on, as the warp's registers hold it.
inline constexpr uint32_t kTileRows = 16;
inline constexpr uint32_t kTileColumns = 8;
inline constexpr uint32_t kDeepestStep = 16;

// Elements taken apart: significand * 2^exponent, the significand signed and in [1, 2), or 0 with a
// tiny exponent.
template <uint32_t kCount>
struct Elements {
  std::array<float, kCount> significand;
  std::array<int32_t, kCount> exponent;
};

struct Step16 {
  uint32_t depth = 0;                       // 4, 8 or 16 products per result
  Elements<kTileRows * kDeepestStep> a;     // row by row, `kDeepestStep` apart
  Elements<kDeepestStep * kTileColumns> b;  // by depth, then column
  bool is_finite = true;
};

using Accumulators = std::array<float, kTileRows * kTileColumns>;  // row by row

// accumulators += a * b, as one instruction of the matrix unit does it for f16, bf16 and tf32.
void multiply_add(const Step16& step, Accumulators& accumulators);

// Sets one element. `value` must be exact in f32.
template <uint32_t kCount>
void set_element(Elements<kCount>& elements, uint32_t index, float value);

}  // namespace slipstream::emulator::isa
