// The rotation that the rope operators share. A thread rotates four neighboring pairs of one head.
#pragma once

#include <cstdint>
#include <type_traits>

#include "cuda/convert.cuh"
#include "cuda/memory.cuh"
#include "ops/support/rope.h"

namespace slipstream::ops {

// Four pairs: as they lie in memory while packed (interleaved: a0 b0 a1 b1 | a2 b2 a3 b3;
// half-split: a0 a1 a2 a3 | b0 b1 b2 b3), as a and b once they are floats.
struct PackedPairs {
  uint2 first;
  uint2 second;
};
struct Pairs {
  float a[kPairsPerThread];
  float b[kPairsPerThread];
};

// Pairs of this thread that exist; fewer than four at the end of a head whose size is not a
// multiple of eight.
__device__ __forceinline__ int pairs_left(const RopeTable& table, int pair) {
  return min(kPairsPerThread, table.rope / 2 - pair);
}

template <bool kWide>
__device__ __forceinline__ PackedPairs load_pairs(const uint16_t* row, const RopeTable& table,
                                                  int pair) {
  using Unit = std::conditional_t<kWide, uint2, uint16_t>;
  const int left = pairs_left(table, pair);
  if (table.layout == RopeLayout::kInterleaved) {
    if constexpr (kWide) {
      const uint4 all = *reinterpret_cast<const uint4*>(row + 2 * pair);
      return {{all.x, all.y}, {all.z, all.w}};
    } else {
      return {cuda::load_units<Unit, uint2>(row + 2 * pair, 2 * left),
              cuda::load_units<Unit, uint2>(row + 2 * pair + 4, 2 * left - 4)};
    }
  }
  return {cuda::load_units<Unit, uint2>(row + pair, left),
          cuda::load_units<Unit, uint2>(row + table.rope / 2 + pair, left)};
}

__device__ __forceinline__ Pairs pairs_of(const PackedPairs& packed, RopeLayout layout,
                                          DType dtype) {
  const auto& [first, second] = packed;
  float v[cuda::kPack];
  cuda::unpack(uint4{first.x, first.y, second.x, second.y}, dtype, v);
  if (layout == RopeLayout::kInterleaved)
    return {{v[0], v[2], v[4], v[6]}, {v[1], v[3], v[5], v[7]}};
  return {{v[0], v[1], v[2], v[3]}, {v[4], v[5], v[6], v[7]}};
}

// The order of PackedPairs again.
__device__ __forceinline__ void memory_order(const Pairs& pairs, RopeLayout layout,
                                             float (&values)[cuda::kPack]) {
  const bool interleaved = layout == RopeLayout::kInterleaved;
#pragma unroll
  for (int i = 0; i < kPairsPerThread; ++i) {
    values[i] = interleaved ? (i % 2 == 0 ? pairs.a[i / 2] : pairs.b[i / 2]) : pairs.a[i];
    values[i + 4] =
        interleaved ? (i % 2 == 0 ? pairs.a[2 + i / 2] : pairs.b[2 + i / 2]) : pairs.b[i];
  }
}

template <bool kWide>
__device__ __forceinline__ void load_table(const float* values, int count, float (&out)[4]) {
  if constexpr (kWide) {
    const float4 all = *reinterpret_cast<const float4*>(values);
    out[0] = all.x;
    out[1] = all.y;
    out[2] = all.z;
    out[3] = all.w;
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i) out[i] = i < count ? values[i] : 0.0F;
  }
}

// a' = a cos - b sin, b' = b cos + a sin, each operation rounded (no fused multiply-add), so that
// the result does not hang on what a compiler contracts. A position outside the table gives NaN.
template <bool kWide>
__device__ __forceinline__ Pairs rotate(const Pairs& pairs, const RopeTable& table, int pair,
                                        int64_t position) {
  Pairs rotated;
  if (position < 0 || position >= table.max_position) {
    const float nan = __int_as_float(0x7fffffff);
    return {{nan, nan, nan, nan}, {nan, nan, nan, nan}};
  }
  const float* cosines = table.cos_sin.get() + position * table.stride + pair;
  const int left = pairs_left(table, pair);
  float cosine[4];
  float sine[4];
  load_table<kWide>(cosines, left, cosine);
  load_table<kWide>(cosines + table.rope / 2, left, sine);
#pragma unroll
  for (int i = 0; i < kPairsPerThread; ++i) {
    rotated.a[i] = __fsub_rn(__fmul_rn(pairs.a[i], cosine[i]), __fmul_rn(pairs.b[i], sine[i]));
    rotated.b[i] = __fadd_rn(__fmul_rn(pairs.b[i], cosine[i]), __fmul_rn(pairs.a[i], sine[i]));
  }
  return rotated;
}

}  // namespace slipstream::ops
