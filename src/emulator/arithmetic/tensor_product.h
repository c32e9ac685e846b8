// The arithmetic of the matrix units on tiles of 16 rows and 8 columns.
//
// A unit multiplies exactly, aligns the products and the accumulator to the largest exponent among
// them, cuts off what lies more than kKeptBits below, adds up, and cuts the sum off to the
// accumulator's precision. It never rounds.
#pragma once

#include <array>
#include <cstdint>

namespace slipstream::emulator {

inline constexpr uint32_t kTileRows = 16;
inline constexpr uint32_t kTileColumns = 8;
inline constexpr uint32_t kTileDepth = 16;  // the most products that are aligned together

// Operands of one step; every value must be exact in f32. Unused depth is not read.
struct TileStep {
  alignas(32) std::array<std::array<float, kTileDepth>, kTileRows> a;
  alignas(32) std::array<std::array<float, kTileColumns>, kTileDepth> b;
};

struct TileAccumulator {
  alignas(32) std::array<std::array<float, kTileColumns>, kTileRows> value;
};

// accumulator += a * b over the first `depth` products.
void multiply_add(const TileStep& step, uint32_t depth, TileAccumulator& accumulator);

// The same for accumulators that are f16 values: each sum is rounded to the nearest of them.
void multiply_add_half(const TileStep& step, uint32_t depth, TileAccumulator& accumulator);

}  // namespace slipstream::emulator
