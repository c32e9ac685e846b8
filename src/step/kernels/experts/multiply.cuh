// Products of one warp: pieces out of its ring times operands, and the sum over a CTA's warps.
#pragma once

#include "step/kernels/experts/operand.cuh"
#include "step/kernels/experts/piece_ring.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace experts {

// Of 16 rows and 8 tokens per tile: rows lane / 4 and 8 more, tokens 2 (lane % 4) and the next.
template <int kTokenTiles>
using Sums = float[kTokenTiles][4];

// Neighboring groups of 128 columns of a tile.
struct Slice {
  int first;
  int count;
};

// The weight scales of up to 32 groups, one per lane. To be loaded well before they are used: they
// come from memory too.
__device__ __forceinline__ float load_scales(const PackedMatrix& matrix, int64_t tile,
                                             const Slice& slice) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  if (!matrix.is_fp8 || lane >= slice.count) return 0.0F;
  return matrix.scales.get()[tile * matrix.groups() + slice.first + lane];
}

template <int kTokenTiles>
__device__ __forceinline__ void multiply_fp8_group(uint32_t weights, float weight_scale,
                                                   const Operand (&x)[kTokenTiles], uint32_t active,
                                                   Sums<kTokenTiles>& sums) {
  uint4 a[4];
#pragma unroll
  for (int step = 0; step < 4; ++step) a[step] = cuda::load_shared_16(weights + step * 512);
#pragma unroll
  for (int t = 0; t < kTokenTiles; ++t) {
    if (kTokenTiles > 1 && (active >> t & 1) == 0) continue;
    float products[4] = {};
#pragma unroll
    for (int step = 0; step < 4; ++step) {
      cuda::multiply_fp8(products, a[step], x[t].words[2 * step], x[t].words[2 * step + 1]);
    }
    const float scale0 = x[t].scales[0] * weight_scale;
    const float scale1 = x[t].scales[1] * weight_scale;
    sums[t][0] += products[0] * scale0;
    sums[t][1] += products[1] * scale1;
    sums[t][2] += products[2] * scale0;
    sums[t][3] += products[3] * scale1;
  }
}

template <int kTokenTiles>
__device__ __forceinline__ void multiply_bf16_group(uint32_t weights,
                                                    const Operand (&x)[kTokenTiles],
                                                    Sums<kTokenTiles>& sums) {
#pragma unroll
  for (int step = 0; step < 8; ++step) {
    const uint4 a = cuda::load_shared_16(weights + step * 512);
#pragma unroll
    for (int t = 0; t < kTokenTiles; ++t) {
      cuda::multiply_bf16(sums[t], a, x[t].words[2 * step], x[t].words[2 * step + 1]);
    }
  }
}

// Adds the products of a slice whose pieces come next out of the ring. `scales` are those of
// load_scales; load(index in the slice, token tile, operand) gives the activations; `active`: token
// tiles to multiply, as bits (e4m3 only).
template <int kTokenTiles, class Cursor, class Load>
__device__ __forceinline__ void multiply_slice(PieceRing& ring, Cursor& cursor, int piece_groups,
                                               const PackedMatrix& matrix, bool is_fp8,
                                               int64_t tile, const Slice& slice, float scales,
                                               uint32_t active, const Load& load,
                                               Sums<kTokenTiles>& sums) {
  const int group_bytes = matrix.chunks_per_group() * kChunkBytes;
  for (int first = 0; first < slice.count; first += piece_groups) {
    const int end = min(first + piece_groups, slice.count);
    uint32_t weights = ring.wait() + threadIdx.x % 32 * 16;
#pragma unroll 2
    for (int index = first; index < end; ++index, weights += group_bytes) {
      Operand x[kTokenTiles];
#pragma unroll
      for (int t = 0; t < kTokenTiles; ++t) {
        if (kTokenTiles == 1 || (active >> t & 1) != 0) load(index, t, x[t]);
      }
      if (!is_fp8) {
        multiply_bf16_group<kTokenTiles>(weights, x, sums);
        continue;
      }
      if (index % 32 == 0 && index > 0) {
        scales = load_scales(matrix, tile, {slice.first + index, slice.count - index});
      }
      const float scale = __shfl_sync(kAllLanes, scales, index % 32);
      multiply_fp8_group<kTokenTiles>(weights, scale, x, active, sums);
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
  __device__ uint32_t weights(int group_bytes) {
    if (in_piece_ == 0) piece_ = ring_.wait() + threadIdx.x % 32 * 16;
    return piece_ + in_piece_ * group_bytes;
  }
  __device__ void advance() {
    --left_;
    if (++in_piece_ < piece_groups_ && left_ > 0) return;
    in_piece_ = 0;
    ring_.release(cursor_);
  }

 private:
  PieceRing& ring_;
  Cursor& cursor_;
  int piece_groups_;
  int left_;
  int in_piece_ = 0;
  uint32_t piece_ = 0;
};

// Which token tiles have takers, as bits.
__device__ __forceinline__ uint32_t active_tiles(uint32_t takers) {
  return static_cast<uint32_t>((takers & 0xffU) != 0) | static_cast<uint32_t>((takers >> 8) != 0)
                                                            << 1;
}

// A warp's sums of a tile, [token][row]; the stride keeps a warp's stores on different banks.
inline constexpr int kPartialStride = kTileRows + 4;
SLIPSTREAM_HOST_DEVICE inline int partial_floats(int tokens) { return tokens * kPartialStride; }

template <int kTokenTiles>
__device__ __forceinline__ void store_partials(const Sums<kTokenTiles>& sums, int tokens,
                                               float* partials) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int t = 0; t < kTokenTiles; ++t) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int token = t * 8 + lane % 4 * 2 + i;
      if (token >= tokens) continue;
      partials[token * kPartialStride + lane / 4] = sums[t][i];
      partials[token * kPartialStride + lane / 4 + 8] = sums[t][i + 2];
    }
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
