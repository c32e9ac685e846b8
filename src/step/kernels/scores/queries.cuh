// The index queries of a token: rotated, transformed, quantized, and shared out among the warps as
// tensor-core operands.
//
// Warp w prepares heads 8 w to 8 w + 7: lane l has the 16 columns from 16 (l % 4) of either half of
// head l / 4. The Hadamard transform of 128 columns is one of 16 (bits 0, 1, 4 and 5 of the column,
// which lie in different lanes or neighboring registers) on the tensor cores and one of 8 (bits 2,
// 3 and 6) in registers. What comes out is where it must be for the product with the keys. Without
// the transform, the first product is with the identity, which brings columns to the same places.
#pragma once

#include "cuda/tensor_core.cuh"
#include "step/kernels/scores/params.h"
#include "step/kernels/support/lanes.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace scores {

inline constexpr int kWarps = 8;
inline constexpr int kThreads = kWarps * 32;
inline constexpr int kMaxHeads = 64;
inline constexpr int kWarpHeads = kMaxHeads / kWarps;
inline constexpr int kColumns = 32;  // of a lane
inline constexpr int kWords = kColumns / 2;

struct QueryShared {
  uint4 words[kWarps][kWords / 4][32];  // of each warp's lanes: bf16 pairs, then f16 pairs
  float weights[kMaxHeads];
  float rope[kRope];
};

// Sends for the token's queries and the rotation of its position. A lane gets what it copies
// itself, but for the rotation.
__device__ __forceinline__ void send_for_queries(const ScoreParams& params, int token, int position,
                                                 QueryShared& shared) {
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  const int head = warp * kWarpHeads + lane / 4;
  if (head < params.heads) {
    const int64_t row = int64_t{token} * params.heads + head;
    const __nv_bfloat16* source = params.queries.get() + row * kIndexWidth + lane % 4 * 16;
#pragma unroll
    for (int i = 0; i < kWords / 4; ++i) {
      cuda::copy_16(&shared.words[warp][i][lane], source + i / 2 * (kIndexWidth / 2) + i % 2 * 8);
    }
  }
  if (threadIdx.x < kRope / 4) {
    cuda::copy_16(shared.rope + threadIdx.x * 4, rope_row(params.rope, position) + threadIdx.x * 4);
  }
  cuda::commit_copies();
}

// The lane's columns of its head's query, as bf16 pairs; zero if there is no such head.
__device__ __forceinline__ void read_query(int heads, const QueryShared& shared,
                                           uint32_t (&words)[kWords]) {
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
#pragma unroll
  for (int i = 0; i < kWords / 4; ++i) {
    uint4 four = make_uint4(0, 0, 0, 0);
    if (warp * kWarpHeads + lane / 4 < heads) four = shared.words[warp][i][lane];
    cuda::split_words(four, words + 4 * i);
  }
}

// Pairs (i, i + 32) of the first half: the second of a pair is two lanes further.
__device__ __forceinline__ void rotate_halves(const float* rope, uint32_t (&words)[kWords]) {
  const int quarter = threadIdx.x % 4;
  const float sign = quarter < 2 ? -1.0F : 1.0F;
  const auto* cosines = reinterpret_cast<const float2*>(rope + quarter % 2 * 16);
  const auto* sines = reinterpret_cast<const float2*>(rope + kRope / 2 + quarter % 2 * 16);
#pragma unroll
  for (int i = 0; i < kWords / 2; ++i) {
    const float2 own = unpack_bf16(words[i]);
    const float2 other = unpack_bf16(__shfl_xor_sync(kAllLanes, words[i], 2));
    const float2 cosine = cosines[i];
    const float2 sine = sines[i];
    words[i] = cuda::pack_pair<DType::kBFloat16>(own.x * cosine.x + sign * (other.x * sine.x),
                                                 own.y * cosine.y + sign * (other.y * sine.y));
  }
}

// Pairs (2 i, 2 i + 1) of the first half, which a word holds.
__device__ __forceinline__ void rotate_neighbors(const float* rope, uint32_t (&words)[kWords]) {
#pragma unroll
  for (int i = 0; i < kWords / 2; ++i) {
    const int pair = static_cast<int>(threadIdx.x) % 4 * (kWords / 2) + i;
    const float2 turned = rotate_pair(unpack_bf16(words[i]), rope[pair], rope[kRope / 2 + pair]);
    words[i] = cuda::pack_pair<DType::kBFloat16>(turned.x, turned.y);
  }
}

// The second operand of the transform of 16: rows are columns 16 q + c of the input (q = lane % 4,
// c below 4), columns those of the output; 1 or -1 by the parity of the common bits. Or the identity.
template <bool is_hadamard>
__device__ __forceinline__ uint32_t transform_words(int output_column, int first_input) {
  const int output_quarter = threadIdx.x % 32 / 8;
  const int quarter = threadIdx.x % 4;
  constexpr uint32_t kOne = 0x3f80;
  const auto bits = [&](int input) {
    if constexpr (is_hadamard) {
      const int common = __popc(output_quarter & quarter) + __popc(output_column & input);
      return kOne | static_cast<uint32_t>(common % 2) << 15;
    } else {
      return output_quarter == quarter && output_column == input ? kOne : 0;
    }
  };
  return bits(first_input) | bits(first_input + 1) << 16;
}

using Columns = float[kColumns];

// The transform of 16, or the identity; columns go to the places of the output.
template <bool is_hadamard>
__device__ __forceinline__ void multiply_columns(const uint32_t (&words)[kWords],
                                                 Columns& columns) {
  const int odd = threadIdx.x / 4 % 2;
#pragma unroll
  for (int tile = 0; tile < 2; ++tile) {
    const uint32_t b0 = transform_words<is_hadamard>(tile * 2 + odd, 0);
    const uint32_t b1 = transform_words<is_hadamard>(tile * 2 + odd, 2);
#pragma unroll
    for (int group = 0; group < kColumns / 4; ++group) {
      float result[4] = {};
      cuda::multiply_bf16(result, make_uint4(words[2 * group], 0, words[2 * group + 1], 0), b0, b1);
      columns[group * 4 + tile * 2] = result[0];
      columns[group * 4 + tile * 2 + 1] = result[1];
    }
  }
}

// The transform of 128.
__device__ __forceinline__ void transform(const uint32_t (&words)[kWords], Columns& columns) {
  multiply_columns<true>(words, columns);
#pragma unroll
  for (int distance = 4; distance < kColumns; distance *= 2) {
#pragma unroll
    for (int i = 0; i < kColumns; ++i) {
      if ((i & distance) != 0) continue;
      const float sum = columns[i] + columns[i + distance];
      columns[i + distance] = columns[i] - columns[i + distance];
      columns[i] = sum;
    }
  }
  constexpr float kScale = 0.08838834764831845F;  // 128^-0.5
#pragma unroll
  for (int i = 0; i < kColumns; i += 2) {
    const float2 rounded = unpack_bf16(
        cuda::pack_pair<DType::kBFloat16>(columns[i] * kScale, columns[i + 1] * kScale));
    columns[i] = rounded.x;
    columns[i + 1] = rounded.y;
  }
}

// Values of the columns' codes as f16 pairs; returns the scale of the head.
__device__ __forceinline__ float quantize(const Columns& columns, uint32_t (&words)[kWords]) {
  float amax = 0;
#pragma unroll
  for (const float value : columns) amax = fmaxf(amax, fabsf(value));
  const cuda::Divisor scale = activation_scale(lane_max<4>(amax), true);
  const float factor = scale.reciprocal;
#pragma unroll
  for (int i = 0; i < kWords; i += 2) {
    const float* four = columns + 2 * i;
    const uint2 pairs = half_pairs(
        four_codes(four[0] * factor, four[1] * factor, four[2] * factor, four[3] * factor));
    words[i] = pairs.x;
    words[i + 1] = pairs.y;
  }
  return scale.value;
}

// All warps prepare the queries that have been sent for, with further groups of copies after
// them.
template <int kLaterCopies>
__device__ __forceinline__ void prepare_queries(const ScoreParams& params, int token,
                                                QueryShared& shared) {
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  const int head = warp * kWarpHeads + lane / 4;
  float weight = 0;
  if (head < params.heads) {
    weight = params.head_weights.get()[token * params.heads + head] * params.constant;
  }
  cuda::wait_copies<kLaterCopies>();
  __syncthreads();
  uint32_t words[kWords];
  read_query(params.heads, shared, words);
  if (params.interleaved) {
    rotate_neighbors(shared.rope, words);
  } else {
    rotate_halves(shared.rope, words);
  }
  Columns columns;
  if (params.hadamard) {
    transform(words, columns);
  } else {
    multiply_columns<false>(words, columns);
  }
  const float scale = quantize(columns, words);
  if (lane % 4 == 0) shared.weights[head] = weight * scale;
#pragma unroll
  for (int i = 0; i < kWords / 4; ++i) {
    shared.words[warp][i][lane] =
        make_uint4(words[4 * i], words[4 * i + 1], words[4 * i + 2], words[4 * i + 3]);
  }
  __syncthreads();
}

}  // namespace scores
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
