// Four rows of a CTA's scores in registers, and their bins.
#pragma once

#include "step/kernels/select/share.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace select {

// Bins are halves cut to twelve bits, 64 to an octave: they need no look at the scores first.
inline constexpr int kBinBits = 12;
inline constexpr int kBins = 1 << kBinBits;

struct Tile {
  uint32_t scores[kTileRows][kLaneKeys];  // bits of the floats
  // Of two neighbors; zero, which no key has, where there is no key.
  uint32_t bins[kTileRows][kLaneKeys / 2];
};

// A byte for each of a lane's scores, all ones or zero: in the border's bin or above, in it.
struct Marks {
  uint32_t reached[kTileRows];
  uint32_t candidates[kTileRows];
};

// Strong loads: ptxas sinks others below the branch on what an earlier load brings, which makes two
// round trips to memory of one.
__device__ __forceinline__ int load_early(const int* address) {
  int value;
  asm volatile("ld.relaxed.gpu.global.u32 %0, [%1];" : "=r"(value) : "l"(address));
  return value;
}
__device__ __forceinline__ void load_four(uint32_t (&four)[kLaneKeys], const float* scores) {
  asm volatile("ld.relaxed.gpu.global.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(four[0]), "=r"(four[1]), "=r"(four[2]), "=r"(four[3])
               : "l"(scores));
}

__device__ __forceinline__ uint32_t permute(uint32_t low, uint32_t high, uint32_t selector) {
  uint32_t bytes;
  asm("prmt.b32 %0, %1, %2, %3;" : "=r"(bytes) : "r"(low), "r"(high), "r"(selector));
  return bytes;
}

// The bins of two scores. Both are cut off toward zero, so that tiny ones of both signs share a
// bin; NaN becomes minus infinity, which it ranks with.
__device__ __forceinline__ uint32_t bins_of(uint32_t first, uint32_t second) {
  uint32_t halves;
  asm("cvt.rz.f16x2.f32 %0, %1, %2;"
      : "=r"(halves)
      : "f"(__uint_as_float(second)), "f"(__uint_as_float(first)));
  asm("max.f16x2 %0, %0, %1;" : "+r"(halves) : "r"(0xfc00fc00U));
  asm("add.rn.f16x2 %0, %0, %1;" : "+r"(halves) : "r"(0U));
  const uint32_t signs = permute(halves, 0, 0xbb99);
  return (halves ^ (signs | 0x80008000U)) >> (16 - kBinBits) & 0x0fff0fffU;
}

// The smallest ordered score in a bin. What is negative was cut off upward, so its bin begins right
// after the next half below, and so does the bin of zero. The bins beyond the infinities begin at
// NaNs, beyond them, too.
__device__ __forceinline__ uint32_t begin_of_bin(uint32_t bin) {
  constexpr int kZero = 0x8000;  // a half's zero, ordered likewise
  int half = static_cast<int>(bin << (16 - kBinBits)) - kZero;
  if (half == 0) half = -1;
  const auto magnitude = static_cast<uint16_t>(abs(half));
  const uint32_t bits = __float_as_uint(__half2float(__ushort_as_half(magnitude)));
  return half < 0 ? 0x80000000U - bits : 0x80000000U + bits;
}

// Candidates after refine(): keys whose ranks are at least `begin` and below `end`.
struct Range {
  Rank begin;
  Rank end;
};

// Bytes of the scores in a row whose bins are at least `bin`.
__device__ __forceinline__ uint32_t reach(const uint32_t (&bins)[kLaneKeys / 2], uint32_t bin) {
  const uint32_t guard = (0x8000U - bin) * 0x10001U;
  return permute(bins[0] + guard, bins[1] + guard, 0xfdb9);
}

__device__ __forceinline__ Marks classify(const Tile& tile, uint32_t bin) {
  Marks marks;
#pragma unroll
  for (int row = 0; row < kTileRows; ++row) {
    marks.reached[row] = reach(tile.bins[row], bin);
    marks.candidates[row] = marks.reached[row] ^ reach(tile.bins[row], bin + 1);
  }
  return marks;
}

// A bit for each byte.
__device__ __forceinline__ uint32_t bits_of(const uint32_t (&bytes)[kTileRows]) {
  uint32_t bits = 0;
#pragma unroll
  for (int row = 0; row < kTileRows; ++row) {
    bits |= (bytes[row] & 0x08040201U) * 0x01010101U >> 24 << row * kLaneKeys;
  }
  return bits;
}
__device__ __forceinline__ uint32_t bytes_of(uint32_t bits, int row) {
  return ((bits >> row * kLaneKeys & 0xf) * 0x00204081U & 0x01010101U) * 0xff;
}

// The lane's i-th score, where i is not known to the compiler: registers have no addresses.
__device__ __forceinline__ uint32_t score_of(const Tile& tile, int i) {
  uint32_t rows[kTileRows];
#pragma unroll
  for (int row = 0; row < kTileRows; ++row) {
    const auto& scores = tile.scores[row];
    const uint32_t low = (i & 1) != 0 ? scores[1] : scores[0];
    const uint32_t high = (i & 1) != 0 ? scores[3] : scores[2];
    rows[row] = (i & 2) != 0 ? high : low;
  }
  const uint32_t low = (i & 4) != 0 ? rows[1] : rows[0];
  const uint32_t high = (i & 4) != 0 ? rows[3] : rows[2];
  return (i & 8) != 0 ? high : low;
}

// visit(i, rank) for the scores of the lane whose bit is set.
template <int kWarps, class Visit>
__device__ __forceinline__ void visit(const Tile& tile, uint32_t marked,
                                      const ShareOf<kWarps>& share, int first_row,
                                      const Visit& visit) {
#pragma unroll 1
  for (uint32_t left = marked; left != 0; left &= left - 1) {
    const int i = __ffs(static_cast<int>(left)) - 1;
    const int position = share.position(first_row + i / kLaneKeys) + i % kLaneKeys;
    visit(i, rank_of(cuda::ordered_bits(__uint_as_float(score_of(tile, i))), position));
  }
}

__device__ __forceinline__ uint32_t warp_prefix(uint32_t value) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int distance = 1; distance < 32; distance *= 2) {
    const uint32_t other = __shfl_up_sync(kAllLanes, value, distance);
    if (lane >= distance) value += other;
  }
  return value;
}

}  // namespace select
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
