// The index queries of a token: rotated, transformed and quantized, as an operand of the products
// with the keys.
//
// Warp w prepares heads 8 w to 8 w + 7: lane l has the eight columns from 8 (l % 4) of each 32 of
// head l / 4, so that it has both of all pairs that are rotated. The Hadamard transform of 128
// columns is one of 16 (bits 0, 2, 3 and 4 of the column, of which two choose the lane) on the tensor
// cores and one of 8 (bits 1, 5 and 6) in registers. Without the transform, the product is with the
// identity, which brings columns to the same places.
#pragma once

#include "cuda/tensor_core.cuh"
#include "cuda/warpgroup.cuh"
#include "step/kernels/scores/params.h"
#include "step/kernels/support/lanes.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace scores {

inline constexpr int kWarps = 8;                    // that multiply
inline constexpr int kThreads = (kWarps + 1) * 32;  // and one that copies
inline constexpr int kMaxHeads = 64;
inline constexpr int kWarpHeads = kMaxHeads / kWarps;
inline constexpr int kColumns = 32;  // of a lane
inline constexpr int kWords = kColumns / 2;

__device__ __forceinline__ void sync_multipliers() { cuda::sync_threads(1, kWarps * 32); }

struct QueryShared {
  // Keys are read 16 columns at a time, so that a row of the products is not a column of the keys:
  // columns 64 a + 16 b + 8 c + 4 d to + 3 are word b of pieces[2 a + c][d].
  cuda::Columns64 codes;
  float weights[kMaxHeads];
};

// Cosines and sines of the pairs that a lane turns.
struct Angles {
  float cosines[8];
  float sines[8];

  // Of pairs (i, i + 32): i from 8 (lane % 4). Of pairs (2 i, 2 i + 1): i from 4 (lane % 4) and from
  // 16 + 4 (lane % 4).
  __device__ void read(const float* rope, bool interleaved) {
    const int first = static_cast<int>(threadIdx.x) % 4 * (interleaved ? 4 : 8);
    const int second = first + (interleaved ? kRope / 4 : 4);
    reinterpret_cast<float4*>(cosines)[0] = *reinterpret_cast<const float4*>(rope + first);
    reinterpret_cast<float4*>(cosines)[1] = *reinterpret_cast<const float4*>(rope + second);
    reinterpret_cast<float4*>(sines)[0] =
        *reinterpret_cast<const float4*>(rope + kRope / 2 + first);
    reinterpret_cast<float4*>(sines)[1] =
        *reinterpret_cast<const float4*>(rope + kRope / 2 + second);
  }
};

// Pairs (i, i + 32) of the first half.
__device__ __forceinline__ void rotate_halves(const Angles& angles, uint32_t (&words)[kWords]) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float2 low = unpack_bf16(words[i]);
    const float2 high = unpack_bf16(words[4 + i]);
    const float2 one = rotate_pair({low.x, high.x}, angles.cosines[2 * i], angles.sines[2 * i]);
    const float2 other =
        rotate_pair({low.y, high.y}, angles.cosines[2 * i + 1], angles.sines[2 * i + 1]);
    words[i] = cuda::pack_pair<DType::kBFloat16>(one.x, other.x);
    words[4 + i] = cuda::pack_pair<DType::kBFloat16>(one.y, other.y);
  }
}

// Pairs (2 i, 2 i + 1) of the first half, which a word holds.
__device__ __forceinline__ void rotate_neighbors(const Angles& angles, uint32_t (&words)[kWords]) {
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const float2 turned = rotate_pair(unpack_bf16(words[i]), angles.cosines[i], angles.sines[i]);
    words[i] = cuda::pack_pair<DType::kBFloat16>(turned.x, turned.y);
  }
}

// The second operand of the transform of 16: rows are bits 2 and 0 and, from the lane, 4 and 3 of the
// input's column, columns those of the output's; 1 or -1 by the parity of the common bits. Or the
// identity.
__device__ __forceinline__ uint32_t transform_words(bool hadamard, int output, int first_input) {
  const int output_quarter = threadIdx.x % 32 / 8;
  const int quarter = threadIdx.x % 4;
  constexpr uint32_t kOne = 0x3f80;
  const auto bits = [&](int input) -> uint32_t {
    if (!hadamard) return output_quarter == quarter && output == input ? kOne : 0;
    const int common = __popc(output_quarter & quarter) + __popc(output & input);
    return kOne | static_cast<uint32_t>(common % 2) << 15;
  };
  return bits(first_input) | bits(first_input + 1) << 16;
}

using Columns = float[kColumns];

// The transform of 16, or the identity, for each 32 columns; bit 1 chooses the half of the rows.
__device__ __forceinline__ void multiply_columns(bool hadamard, const uint32_t (&words)[kWords],
                                                 Columns& columns) {
  const int odd = static_cast<int>(threadIdx.x) / 4 % 2;
#pragma unroll
  for (int tile = 0; tile < 2; ++tile) {
    const uint32_t b0 = transform_words(hadamard, tile * 2 + odd, 0);
    const uint32_t b1 = transform_words(hadamard, tile * 2 + odd, 2);
#pragma unroll
    for (int i = 0; i < kWords; i += 4) {
      float(&four)[4] = reinterpret_cast<float(&)[4]>(columns[2 * i + 4 * tile]);
      cuda::multiply_bf16(four, make_uint4(words[i], words[i + 1], words[i + 2], words[i + 3]), b0,
                          b1);
    }
  }
}

// The sums and differences of columns that have one bit, `distance`, different.
template <int distance>
__device__ __forceinline__ void add_and_subtract(Columns& columns) {
#pragma unroll
  for (int i = 0; i < kColumns; ++i) {
    if ((i & distance) != 0) continue;
    const float sum = columns[i] + columns[i + distance];
    columns[i + distance] = columns[i] - columns[i + distance];
    columns[i] = sum;
  }
}

// The rest of the transform of 128, bf16 values out.
__device__ __forceinline__ void transform(Columns& columns) {
  add_and_subtract<2>(columns);
  add_and_subtract<8>(columns);
  add_and_subtract<16>(columns);
  constexpr float kScale = 0.08838834764831845F;  // 128^-0.5
#pragma unroll
  for (float& value : columns) value *= kScale;
  round_to_bf16(columns);
}

// A lane's columns of a head as codes, and what the products with them are multiplied by.
class Query {
 public:
  __device__ Query(const ScoreParams& params, int token, int position) {
    const int first_head = static_cast<int>(threadIdx.x) / 32 * kWarpHeads;
    if (first_head >= params.heads) return;
    const int head = first_head + static_cast<int>(threadIdx.x) % 32 / 4;
    uint32_t words[kWords] = {};
    Angles angles;
    angles.read(rope_row(params.rope, position), params.interleaved);
    if (head < params.heads) {
      const int64_t row = int64_t{token} * params.heads + head;
      const __nv_bfloat16* source =
          params.queries.get() + row * kIndexWidth + static_cast<int>(threadIdx.x) % 4 * 8;
#pragma unroll
      for (int i = 0; i < kWords / 4; ++i) {
        cuda::split_words(*reinterpret_cast<const uint4*>(source + i * 32), words + 4 * i);
      }
      weight_ = params.head_weights.get()[row] * params.constant;
    }
    if (params.interleaved) {
      rotate_neighbors(angles, words);
    } else {
      rotate_halves(angles, words);
    }
    Columns columns = {};
    multiply_columns(params.hadamard, words, columns);
    if (params.hadamard) transform(columns);
    quantize(columns);
  }

  // Its bits 5 and 6 and 2 choose a word, those of the lane a piece.
  __device__ void store(QueryShared& shared) const {
    const int quarter = threadIdx.x % 4;
    const int head = static_cast<int>(threadIdx.x) / 4;
#pragma unroll
    for (int i = 0; i < kColumns / 4; ++i) {
      uint4& piece = shared.codes.pieces[i / 4 * 2 + quarter % 2][i % 2][head];
      (&piece.x)[i / 2 % 2 * 2 + quarter / 2] = codes_[i];
    }
    if (quarter == 0) shared.weights[head] = weight_;
  }

 private:
  __device__ void quantize(const Columns& columns) {
    float amax = 0;
#pragma unroll
    for (const float value : columns) amax = fmaxf(amax, fabsf(value));
    const cuda::Divisor scale = activation_scale(lane_max<4>(amax), true);
    const float factor = scale.reciprocal;
#pragma unroll
    for (int i = 0; i < kColumns / 4; ++i) {
      const float* four = columns + 4 * i;
      codes_[i] =
          four_codes(four[0] * factor, four[1] * factor, four[2] * factor, four[3] * factor);
    }
    weight_ *= scale.value;
  }

  uint32_t codes_[kColumns / 4] = {};
  float weight_ = 0;
};

}  // namespace scores
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
