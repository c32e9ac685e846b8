// The arithmetic of wgmma: 64 rows times up to 256 columns, 32 bytes of depth.
//
// What the units of an H200 do for mma.sync (see tensor_product.h) holds here too: products are exact; all of one
// instruction and the accumulator are aligned to the largest exponent among them, cut off a number of bits below it
// and added exactly. fp8 has units of its own, which keep fewer bits.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace slipstream::emulator {

inline constexpr uint32_t kWarpgroupRows = 64;
inline constexpr uint32_t kWarpgroupColumns = 256;  // at most
inline constexpr uint32_t kDepthBytes = 32;  // of a row of A or a column of B, whatever the type

// How precisely a unit adds.
struct UnitPrecision {
  int32_t kept_bits = 0;       // below the largest exponent
  uint32_t mantissa_bits = 0;  // of a sum that becomes f32; cut off
};
inline constexpr UnitPrecision kWidePrecision{25, 23};  // f16, bf16, tf32
inline constexpr UnitPrecision kFp8Precision{13, 13};

// The elements along the depth of each row of A and of each column of B, as they lie in memory.
struct WarpgroupOperands {
  using Elements = std::array<std::byte, kDepthBytes>;
  alignas(64) std::array<Elements, kWarpgroupRows> a;
  alignas(64) std::array<Elements, kWarpgroupColumns> b;
};

// The bits of 32-bit accumulators; f16 accumulators are f32 values here.
struct WarpgroupAccumulators {
  alignas(64) std::array<std::array<uint32_t, kWarpgroupColumns>, kWarpgroupRows> bits;
};

struct ProductSettings {
  uint32_t columns = 0;         // a multiple of 8
  bool accumulates = true;      // otherwise the accumulators start at zero
  bool negates = false;         // the products
  bool saturates = false;       // integers: .satfinite
  bool rounds_to_half = false;  // floating point: accumulators are f16
};

enum class ElementType : uint8_t { kF16, kBf16, kTf32, kE4m3, kE5m2, kS8, kU8 };

// accumulators += a * b.
using WarpgroupMultiply = void (*)(const WarpgroupOperands& operands,
                                   const ProductSettings& settings,
                                   WarpgroupAccumulators& accumulators);
// The function for elements of these types; null if there is none.
WarpgroupMultiply warpgroup_multiply(ElementType a, ElementType b);

}  // namespace slipstream::emulator
