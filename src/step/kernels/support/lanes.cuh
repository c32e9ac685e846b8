// What the lanes of a warp do together: sums, rotations, the Hadamard transform, fp8 groups.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp8.h>

#include <cstdint>

#include "cuda/convert.cuh"
#include "cuda/quantize.cuh"
#include "step/kernels/support/step_row.h"

namespace slipstream::step::kernels {

inline constexpr uint32_t kAllLanes = 0xffffffffU;

// Of the calling thread, in no register that lives longer than its use.
__device__ __forceinline__ int lane_index() {
  int lane;
  asm volatile("mov.u32 %0, %%laneid;" : "=r"(lane));
  return lane;
}

// Of the calling thread's warp in its CTA, of which the compiler then knows that all lanes have the same.
__device__ __forceinline__ int warp_index() {
  return __shfl_sync(kAllLanes, static_cast<int>(threadIdx.x) / 32, 0);
}

__device__ __forceinline__ float warp_sum(float value) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(kAllLanes, value, distance);
  }
  return value;
}

// The maximum over `lanes` neighboring lanes, a power of two.
template <int lanes>
__device__ __forceinline__ float lane_max(float value) {
#pragma unroll
  for (int distance = lanes / 2; distance > 0; distance /= 2) {
    value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, distance));
  }
  return value;
}

// The maximum over a warp, in one instruction for all lanes. NaN as arithmetic makes it, which is positive,
// counts as the largest.
__device__ __forceinline__ float warp_max(float value) {
  const auto flip = [](int bits) { return bits ^ (bits >> 31 & 0x7fffffff); };
  return __int_as_float(flip(__reduce_max_sync(kAllLanes, flip(__float_as_int(value)))));
}

__device__ __forceinline__ float round_to_bf16(float value) {
  return __bfloat162float(__float2bfloat16_rn(value));
}

// In pairs: a conversion of one value is four times as slow.
template <int kCount>
__device__ __forceinline__ void round_to_bf16(float (&values)[kCount]) {
#pragma unroll
  for (int i = 0; i < kCount; i += 2) {
    const float2 pair = cuda::unpack_pair<DType::kBFloat16>(
        cuda::pack_pair<DType::kBFloat16>(values[i], values[i + 1]));
    values[i] = pair.x;
    values[i + 1] = pair.y;
  }
}

// Eight neighboring bf16 values, 16 bytes aligned.
__device__ __forceinline__ void load_eight(const __nv_bfloat16* source, float (&values)[8]) {
  cuda::unpack<DType::kBFloat16>(*reinterpret_cast<const uint4*>(source), values);
}

// Two neighboring bf16 values, 4 bytes aligned.
__device__ __forceinline__ void store_pair(__nv_bfloat16* target, float2 values) {
  *reinterpret_cast<uint32_t*>(target) = cuda::pack_pair<DType::kBFloat16>(values.x, values.y);
}

// Four of them, 8 bytes aligned.
__device__ __forceinline__ void store_quad(__nv_bfloat16* target, float4 values) {
  *reinterpret_cast<uint2*>(target) = {cuda::pack_pair<DType::kBFloat16>(values.x, values.y),
                                       cuda::pack_pair<DType::kBFloat16>(values.z, values.w)};
}

__device__ __forceinline__ void add_quad(float4& sum, const float4& more) {
  sum.x += more.x;
  sum.y += more.y;
  sum.z += more.z;
  sum.w += more.w;
}

// Four neighboring values, 16 bytes aligned.
__device__ __forceinline__ void add_quad(float4& sum, const float* quad) {
  add_quad(sum, *reinterpret_cast<const float4*>(quad));
}

// Those at quad_at(0) to quad_at(count - 1), at most `most`, in order. All are loaded before the first is added, which
// waits once.
template <int most, class QuadAt>
__device__ __forceinline__ void add_quads(float4& sum, int count, const QuadAt& quad_at) {
  float4 parts[most] = {};
#pragma unroll
  for (int i = 0; i < most; ++i) {
    if (i < count) parts[i] = *reinterpret_cast<const float4*>(quad_at(i));
  }
#pragma unroll
  for (const float4& part : parts) add_quad(sum, part);
}

// Scales of linear inputs and of the indexer's q and k.
__device__ __forceinline__ cuda::Divisor activation_scale(float amax, bool power_of_two) {
  constexpr cuda::Divisor kLargestCode{448.0F, 1.0F / 448.0F};
  return cuda::group_scale(amax, {1e-4F, kLargestCode, power_of_two});
}

// Of bf16 values by the scale of their group. The branch is worth it: an exact division takes five instructions.
template <int kCount>
__device__ __forceinline__ void divide(float (&values)[kCount], cuda::Divisor scale,
                                       bool power_of_two) {
  if (power_of_two) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) values[i] *= scale.reciprocal;
  } else {
#pragma unroll
    for (int i = 0; i < kCount; ++i) values[i] = cuda::divide_bf16(values[i], scale);
  }
}

__device__ __forceinline__ uint32_t four_codes(float a, float b, float c, float d) {
  const uint32_t low = __nv_cvt_float2_to_fp8x2({a, b}, __NV_SATFINITE, __NV_E4M3);
  const uint32_t high = __nv_cvt_float2_to_fp8x2({c, d}, __NV_SATFINITE, __NV_E4M3);
  return low | high << 16;
}

__device__ __forceinline__ float from_code(uint8_t code) {
  __nv_fp8_e4m3 value;
  value.__x = code;
  return static_cast<float>(value);
}

// Four codes as two pairs of f16, which hold them exactly.
__device__ __forceinline__ uint2 half_pairs(uint32_t codes) {
  uint2 pairs;
  asm("{\n"
      ".reg .b16 low, high;\n"
      "mov.b32 {low, high}, %2;\n"
      "cvt.rn.f16x2.e4m3x2 %0, low;\n"
      "cvt.rn.f16x2.e4m3x2 %1, high;\n"
      "}\n"
      : "=r"(pairs.x), "=r"(pairs.y)
      : "r"(codes));
  return pairs;
}

// The two bf16 values of a word.
__device__ __forceinline__ float2 unpack_bf16(uint32_t word) {
  return {__uint_as_float(word << 16), __uint_as_float(word & 0xffff0000U)};
}

// Cosines and sines of a position: [32 cosines | 32 sines].
__device__ __forceinline__ const float* rope_row(pdl::Constant<float> table, int position) {
  return table.get() + static_cast<int64_t>(position) * kRope;
}

__device__ __forceinline__ float2 rotate_pair(float2 pair, float cosine, float sine) {
  return {pair.x * cosine - pair.y * sine, pair.y * cosine + pair.x * sine};
}

// An index query or key, [rope 64 | nope 64], four values per lane: lane l has values 4l to 4l + 3.
// Rotates the first half; bf16 in, bf16 values out.
__device__ __forceinline__ void rotate_index(float (&x)[4], const float* rope, bool interleaved) {
  const int lane = threadIdx.x % 32;
  if (interleaved) {
    if (lane < 16) {
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        const int pair = lane * 2 + i;
        const float2 turned =
            rotate_pair({x[2 * i], x[2 * i + 1]}, rope[pair], rope[kRope / 2 + pair]);
        x[2 * i] = turned.x;
        x[2 * i + 1] = turned.y;
      }
    }
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float other = __shfl_xor_sync(kAllLanes, x[i], 8);  // 32 values further
      if (lane >= 16) continue;
      const int pair = lane % 8 * 4 + i;
      const float cosine = rope[pair];
      const float sine = rope[kRope / 2 + pair];
      x[i] = lane < 8 ? x[i] * cosine - other * sine : x[i] * cosine + other * sine;
    }
  }
  round_to_bf16(x);
}

// The Hadamard transform of the same; bf16 in, bf16 values out.
__device__ __forceinline__ void transform_index(float (&x)[4]) {
  const int lane = threadIdx.x % 32;
  const float a = x[0] + x[1];
  const float b = x[0] - x[1];
  const float c = x[2] + x[3];
  const float d = x[2] - x[3];
  x[0] = a + c;
  x[1] = b + d;
  x[2] = a - c;
  x[3] = b - d;
#pragma unroll
  for (int distance = 1; distance < 32; distance *= 2) {
#pragma unroll
    for (float& value : x) {
      const float other = __shfl_xor_sync(kAllLanes, value, distance);
      value = (lane & distance) == 0 ? value + other : other - value;
    }
  }
  constexpr float kScale = 0.08838834764831845F;  // 128^-0.5
#pragma unroll
  for (float& value : x) value *= kScale;
  round_to_bf16(x);
}

// The 128 values of a warp as codes, four per lane, and their scale.
struct IndexCodes {
  uint32_t codes;
  float scale;
};
__device__ __forceinline__ IndexCodes index_codes(const float (&x)[4]) {
  const float amax =
      lane_max<32>(fmaxf(fmaxf(fabsf(x[0]), fabsf(x[1])), fmaxf(fabsf(x[2]), fabsf(x[3]))));
  const cuda::Divisor scale = activation_scale(amax, true);
  return {four_codes(x[0] * scale.reciprocal, x[1] * scale.reciprocal, x[2] * scale.reciprocal,
                     x[3] * scale.reciprocal),
          scale.value};
}

}  // namespace slipstream::step::kernels
