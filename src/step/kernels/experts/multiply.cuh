// Products of one warp: pieces out of its ring times operands, and the sum over a CTA's warps.
#pragma once

#include "step/kernels/experts/operand.cuh"
#include "step/kernels/experts/piece_ring.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace experts {

// Of 16 rows and an item's tokens: rows lane / 4 and 8 more, tokens 2 (lane % 4) and the next.
using Sums = float[4];

// Neighboring groups of 128 columns of a tile.
struct Slice {
  int first;
  int count;
};

inline constexpr int kMaxSliceGroups = 32;

// The weight scales of a slice, one per lane. To be loaded well before they are used: they come from
// memory too.
__device__ __forceinline__ float load_scales(const PackedMatrix& matrix, int64_t tile,
                                             const Slice& slice) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  if (!matrix.is_fp8 || lane >= slice.count) return 0.0F;
  return matrix.scales.get()[tile * matrix.groups() + slice.first + lane];
}

__device__ __forceinline__ void add_scaled(const float (&products)[4], const Operand& x,
                                           float weight_scale, Sums& sums) {
  const float scale0 = x.scales[0] * weight_scale;
  const float scale1 = x.scales[1] * weight_scale;
  sums[0] += products[0] * scale0;
  sums[1] += products[1] * scale1;
  sums[2] += products[2] * scale0;
  sums[3] += products[3] * scale1;
}

__device__ __forceinline__ void multiply_fp8_group(uint32_t weights, float weight_scale,
                                                   const Operand& x, Sums& sums) {
  uint4 a[4];
#pragma unroll
  for (int step = 0; step < 4; ++step) a[step] = cuda::load_shared_16(weights + step * 512);
  float products[4] = {};
#pragma unroll
  for (int step = 0; step < 4; ++step) {
    cuda::multiply_fp8(products, a[step], x.words[2 * step], x.words[2 * step + 1]);
  }
  add_scaled(products, x, weight_scale, sums);
}

// products += 16 x 32 codes times 32 x 8, as f16, which holds codes exactly. ptxas makes the same of a warp's
// product of e4m3, but each half from zero, and adds the halves up itself: 16 additions for a group.
__device__ __forceinline__ void multiply_as_halves(float (&products)[4], const uint4& weights,
                                                   uint32_t x0, uint32_t x1) {
  const auto add = [&](uint32_t low_row, uint32_t high_row, uint32_t columns) {
    const uint2 low = half_pairs(low_row);
    const uint2 high = half_pairs(high_row);
    const uint2 x = half_pairs(columns);
    cuda::multiply_f16(products, {low.x, high.x, low.y, high.y}, x.x, x.y);
  };
  add(weights.x, weights.y, x0);
  add(weights.z, weights.w, x1);
}

// Two neighboring groups at once: neither's conversions and products wait for the other's. Without a second
// one the first is multiplied once more, for nothing: code of its own would have to be fetched by each launch.
__device__ __forceinline__ void multiply_fp8_pair(uint32_t weights, bool has_second,
                                                  const float (&weight_scales)[2],
                                                  const Operand (&x)[2], Sums& sums) {
  const uint32_t groups[2] = {weights, weights + (has_second ? kChunkBytes : 0)};
  uint4 a[2][4];
#pragma unroll
  for (int step = 0; step < 4; ++step) {
    a[0][step] = cuda::load_shared_16(groups[0] + step * 512);
    a[1][step] = cuda::load_shared_16(groups[1] + step * 512);
  }
  float products[2][4] = {};
#pragma unroll
  for (int step = 0; step < 4; ++step) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      multiply_as_halves(products[i], a[i][step], x[i].words[2 * step], x[i].words[2 * step + 1]);
    }
  }
  add_scaled(products[0], x[0], weight_scales[0], sums);
  if (has_second) add_scaled(products[1], x[1], weight_scales[1], sums);
}

__device__ __forceinline__ void multiply_bf16_group(uint32_t weights, const Operand& x,
                                                    Sums& sums) {
#pragma unroll
  for (int step = 0; step < 8; ++step) {
    const uint4 a = cuda::load_shared_16(weights + step * 512);
    cuda::multiply_bf16(sums, a, x.words[2 * step], x.words[2 * step + 1]);
  }
}

// Adds the products of a slice's groups [index, end), which lie in a piece; `weights`: the lane's part of the first.
// `scales` are those of load_scales; load(index in the slice, operand) gives the activations.
// Rolled, here and where else products are made: each launch fetches its instructions anew.
template <class Load>
__device__ __forceinline__ void multiply_one_by_one(uint32_t weights, int& index, int end,
                                                    bool is_fp8, float scales, const Load& load,
                                                    Sums& sums) {
  const int group_bytes = (is_fp8 ? 1 : 2) * kChunkBytes;
#pragma unroll 1
  for (; index < end; ++index, weights += group_bytes) {
    Operand x;
    load(index, x);
    if (is_fp8) {
      multiply_fp8_group(weights, __shfl_sync(kAllLanes, scales, index), x, sums);
    } else {
      multiply_bf16_group(weights, x, sums);
    }
  }
}

// The same of e4m3.
template <class Load>
__device__ __forceinline__ void multiply_by_twos(uint32_t weights, int& index, int end,
                                                 float scales, const Load& load, Sums& sums) {
#pragma unroll 1
  for (; index < end; index += 2, weights += 2 * kChunkBytes) {
    const int second = min(index + 1, end - 1);
    Operand x[2];
    load(index, x[0]);
    load(second, x[1]);
    const float weight_scales[2] = {__shfl_sync(kAllLanes, scales, index),
                                    __shfl_sync(kAllLanes, scales, second)};
    multiply_fp8_pair(weights, second > index, weight_scales, x, sums);
  }
  index = end;
}

// Adds the products of a slice whose pieces come next out of the ring. Has no load from global memory of its own:
// before one that it might make, however seldom, ptxas waits for those that the caller has made for later.
template <bool kByTwos, class Cursor, class Load>
__device__ __forceinline__ void multiply_slice(PieceRing& ring, Cursor& cursor, int piece_groups,
                                               bool is_fp8, int groups, float scales,
                                               const Load& load, Sums& sums) {
#pragma unroll 1
  for (int index = 0; index < groups;) {
    const int end = min(index + piece_groups, groups);
    const uint32_t weights = ring.wait() + threadIdx.x % 32 * 16;
    if constexpr (kByTwos) {
      multiply_by_twos(weights, index, end, scales, load, sums);
    } else {
      multiply_one_by_one(weights, index, end, is_fp8, scales, load, sums);
    }
    ring.release(cursor);
  }
}

// Takes a run of groups, whose pieces come next out of the ring, one group at a time.
template <class Cursor>
class PieceReader {
 public:
  __device__ PieceReader(PieceRing& ring, Cursor& cursor, int piece_groups, int groups)
      : ring_(ring), cursor_(cursor), piece_groups_(piece_groups), left_(groups) {}
  // Where the lane's part of the next group starts.
  __device__ uint32_t weights() {
    if (in_piece_ == 0) {
      piece_ = ring_.wait() + threadIdx.x % 32 * 16;
      in_piece_ = min(piece_groups_, left_);
    }
    return piece_;
  }
  __device__ void advance(int group_bytes) {
    --left_;
    piece_ += group_bytes;
    if (--in_piece_ == 0) ring_.release(cursor_);
  }

 private:
  PieceRing& ring_;
  Cursor& cursor_;
  int piece_groups_;
  int left_;          // groups
  int in_piece_ = 0;  // of them in the piece that is read
  uint32_t piece_ = 0;
};

// A warp's sums of a tile, [token or place of an item][row].
SLIPSTREAM_HOST_DEVICE inline int partial_floats(int tokens) { return tokens * kPartialStride; }

// Those of an item's places.
__device__ __forceinline__ void store_partials(const Sums& sums, int places, float* partials) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const int place = lane % 4 * 2 + i;
    if (place >= places) continue;
    partials[place * kPartialStride + lane / 4] = sums[i];
    partials[place * kPartialStride + lane / 4 + 8] = sums[i + 2];
  }
}

inline constexpr int kTilePairs = kTileRows / 2;

// Adds `parts` sums of two neighboring rows of a tile, [part][token][row], in order.
__device__ __forceinline__ float2 add_parts(const float* partials, int parts, int tokens, int token,
                                            int row) {
  const float* partial = partials + token * kPartialStride + row;
  float2 sums = {0, 0};
#pragma unroll 8
  for (int i = 0; i < parts; ++i) {
    const auto part = *reinterpret_cast<const float2*>(partial + i * partial_floats(tokens));
    sums.x += part.x;
    sums.y += part.y;
  }
  return sums;
}

}  // namespace experts
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
