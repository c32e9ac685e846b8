// Activations of the experts' products as the tensor core takes them.
#pragma once

#include "cuda/tensor_core.cuh"
#include "step/kernels/linear/params.h"
#include "step/kernels/support/code_units.cuh"
#include "step/kernels/support/lanes.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace experts {

// 32 columns of one token as the tensor core's second operand.
struct Operand {
  uint32_t words[16];  // bf16 pairs; e4m3 codes: the first 8
  float scales[2];     // of the lane's two result columns, tokens 2 (lane % 4) and the next
};

// `kLanes` neighboring lanes quantize their 128 columns, or pass them on unquantized.
template <int kLanes, int kCount>
__device__ __forceinline__ float scale_values(float (&values)[kCount], bool ue8m0) {
  float amax = 0;
#pragma unroll
  for (const float value : values) amax = fmaxf(amax, fabsf(value));
  const cuda::Divisor scale = activation_scale(lane_max<kLanes>(amax), ue8m0);
  divide(values, scale, ue8m0);
  return scale.value;
}

// Exponential and reciprocal as the hardware has them, without what expf() and __fdividef() do for subnormal
// numbers, of which there are none here: a third of the instructions. Off by a few units in the last place, by tens
// where a value lies far below zero and its silu is next to nothing, which hardly ever shows once it is rounded to bf16.
__device__ __forceinline__ float silu(float value) {
  constexpr float kLog2E = 1.4426950408889634F;
  float power;
  float inverse;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(-kLog2E * value));
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(inverse) : "f"(1.0F + power));
  return value * inverse;
}

// values = silu(values) * up, rounded to bf16.
__device__ __forceinline__ void gate_values(float (&values)[8], const float (&up)[8]) {
#pragma unroll
  for (int i = 0; i < 8; ++i) values[i] = silu(values[i]) * up[i];
  round_to_bf16(values);
}

// Eight neighboring values as e4m3 codes.
struct EightCodes {
  uint32_t words[2];
  float scale;
};

// Eight gated values of packed bf16; 16 neighboring lanes have a group. Not inlined: a run before
// the wait brings the instructions into the caches.
__device__ __noinline__ EightCodes quantize_gated(uint4 packed_gate, uint4 packed_up, bool ue8m0) {
  float values[8];
  float up[8];
  cuda::unpack<DType::kBFloat16>(packed_gate, values);
  cuda::unpack<DType::kBFloat16>(packed_up, up);
  gate_values(values, up);
  EightCodes result;
  result.scale = scale_values<16>(values, ue8m0);
  result.words[0] = four_codes(values[0], values[1], values[2], values[3]);
  result.words[1] = four_codes(values[4], values[5], values[6], values[7]);
  return result;
}

// Makes the compiler compute a value that is not used otherwise.
__device__ __forceinline__ void keep(const EightCodes& value) {
  asm volatile("" ::"r"(value.words[0]), "r"(value.words[1]), "f"(value.scale));
}

// A scale that the lanes of each token hold, for the lane's two result columns.
__device__ __forceinline__ void spread_scale(float scale, Operand& operand) {
  const int owner = threadIdx.x % 4 * 8;
  operand.scales[0] = __shfl_sync(kAllLanes, scale, owner);
  operand.scales[1] = __shfl_sync(kAllLanes, scale, owner + 4);
}

// The operand of 32 neighboring values of the lane, without a stop in shared memory.
__device__ __forceinline__ void make_operand(float (&values)[32], bool is_fp8, bool ue8m0,
                                             Operand& operand) {
  if (!is_fp8) {
#pragma unroll
    for (int i = 0; i < 16; ++i) {
      operand.words[i] = cuda::pack_pair<DType::kBFloat16>(values[2 * i], values[2 * i + 1]);
    }
    return;
  }
  const float scale = scale_values<4>(values, ue8m0);
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    operand.words[i] =
        four_codes(values[4 * i], values[4 * i + 1], values[4 * i + 2], values[4 * i + 3]);
  }
  spread_scale(scale, operand);
}

}  // namespace experts
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
