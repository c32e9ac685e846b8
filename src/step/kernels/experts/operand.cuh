// Activations of the experts' products as the tensor core takes them: quantized once per CTA into
// shared memory or, where they are not quantized or too many, read from global memory each time.
#pragma once

#include "cuda/tensor_core.cuh"
#include "step/kernels/linear/params.h"
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

// Eight neighboring values as e4m3 codes.
struct EightCodes {
  uint2 codes;
  float scale;
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

__device__ __forceinline__ EightCodes quantize(float (&values)[8], bool ue8m0) {
  EightCodes result;
  result.scale = scale_values<16>(values, ue8m0);
  result.codes = {four_codes(values[0], values[1], values[2], values[3]),
                  four_codes(values[4], values[5], values[6], values[7])};
  return result;
}

// values = silu(values) * up, rounded to bf16. The quotient is off by up to two units in the last
// place, which hardly ever shows after that rounding; the exact division would branch for every value.
__device__ __forceinline__ void gate_values(float (&values)[8], const float (&up)[8]) {
#pragma unroll
  for (int i = 0; i < 8; ++i) values[i] = __fdividef(values[i], 1.0F + expf(-values[i])) * up[i];
  round_to_bf16(values);
}

// Eight gated values of packed bf16. Not inlined: a run before the wait brings the instructions
// into the caches.
__device__ __noinline__ EightCodes quantize_gated(uint4 packed_gate, uint4 packed_up, bool ue8m0) {
  float values[8];
  float up[8];
  cuda::unpack<DType::kBFloat16>(packed_gate, values);
  cuda::unpack<DType::kBFloat16>(packed_up, up);
  gate_values(values, up);
  return quantize(values, ue8m0);
}

// Makes the compiler compute a value that is not used otherwise.
__device__ __forceinline__ void keep(int value) { asm volatile("" ::"r"(value)); }
__device__ __forceinline__ void keep(const EightCodes& value) {
  asm volatile("" ::"r"(value.codes.x), "r"(value.codes.y), "f"(value.scale));
}

// Units of 128 e4m3 codes and their scales in shared memory. The 16-byte pieces of odd units are
// swapped in pairs, so that two neighboring tokens' units lie on different banks.
struct CodeUnits {
  unsigned char* codes;
  float* scales;

  // A multiple of 16.
  SLIPSTREAM_HOST_DEVICE static int bytes(int units) {
    return units * kGroup + (units + 3) / 4 * static_cast<int>(sizeof(float4));
  }
  __device__ CodeUnits(unsigned char* memory, int units)
      : codes(memory), scales(reinterpret_cast<float*>(memory + units * kGroup)) {}

  // Half a warp stores a unit, eight codes per lane.
  __device__ void store(int unit, const EightCodes& lane) const {
    const int eighth = threadIdx.x % 16;
    const int piece = (eighth / 2) ^ (unit & 1);
    *reinterpret_cast<uint2*>(codes + unit * kGroup + piece * 16 + eighth % 2 * 8) = lane.codes;
    if (eighth == 0) scales[unit] = lane.scale;
  }
  // Where the first 16 codes of a lane lie, if four lanes share a unit.
  __device__ static int low_place(int unit) { return (threadIdx.x % 4 * 2 + (unit & 1)) * 16; }
  // Four lanes load one, 32 codes each.
  __device__ void load(int unit, Operand& operand) const {
    const int low = low_place(unit);
    const uint4 first = *reinterpret_cast<const uint4*>(codes + unit * kGroup + low);
    const uint4 second = *reinterpret_cast<const uint4*>(codes + unit * kGroup + (low ^ 16));
    operand.words[0] = first.x;
    operand.words[1] = first.y;
    operand.words[2] = first.z;
    operand.words[3] = first.w;
    operand.words[4] = second.x;
    operand.words[5] = second.y;
    operand.words[6] = second.z;
    operand.words[7] = second.w;
  }
};

// Four neighboring lanes quantize a unit of packed bf16, 32 values each, unless there is no unit.
// Not inlined, as above.
__device__ __noinline__ void quantize_plain(uint4 a, uint4 b, uint4 c, uint4 d, bool ue8m0,
                                            unsigned char* codes, float* scale, int low) {
  float values[32];
  cuda::unpack<DType::kBFloat16>(a, reinterpret_cast<float(&)[8]>(values[0]));
  cuda::unpack<DType::kBFloat16>(b, reinterpret_cast<float(&)[8]>(values[8]));
  cuda::unpack<DType::kBFloat16>(c, reinterpret_cast<float(&)[8]>(values[16]));
  cuda::unpack<DType::kBFloat16>(d, reinterpret_cast<float(&)[8]>(values[24]));
  const float result = scale_values<4>(values, ue8m0);
  uint32_t words[8];
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    words[i] = four_codes(values[4 * i], values[4 * i + 1], values[4 * i + 2], values[4 * i + 3]);
  }
  if (codes == nullptr) return;
  *reinterpret_cast<uint4*>(codes + low) = make_uint4(words[0], words[1], words[2], words[3]);
  *reinterpret_cast<uint4*>(codes + (low ^ 16)) =
      make_uint4(words[4], words[5], words[6], words[7]);
  if (threadIdx.x % 4 == 0) *scale = result;
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

// Quantises `count` units, two per warp and round, `batch` rounds' loads on the way at a time.
// Warp `index` of `warps` takes its share. raw(unit, eighth) loads a lane's part of a unit,
// convert(raw) makes its codes.
template <int kBatch, class Raw, class Load, class Convert>
__device__ __forceinline__ void quantize_units(const CodeUnits& target, int count, int index,
                                               int warps, const Load& load,
                                               const Convert& convert) {
  const int half = threadIdx.x % 32 / 16;
  const int eighth = threadIdx.x % 16;
#pragma unroll 1
  for (int begin = index * 2; begin < count; begin += warps * 2 * kBatch) {
    Raw raw[kBatch];
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      const int unit = begin + i * warps * 2 + half;
      if (unit < count) raw[i] = load(unit, eighth);
    }
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      const int unit = begin + i * warps * 2 + half;
      if (begin + i * warps * 2 >= count) break;
      const EightCodes codes = convert(raw[i]);
      if (unit < count) target.store(unit, codes);
    }
  }
}

}  // namespace experts
}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
