// Conversions between packed 16-bit floats, fp32 and fp8 codes, on the device.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_fp8.h>

#include <cstdint>

#include "slipstream/tensor.h"

namespace slipstream::cuda {

// The words of 16 bytes, to the next four places.
__device__ __forceinline__ void split_words(uint4 four, uint32_t* words) {
  words[0] = four.x;
  words[1] = four.y;
  words[2] = four.z;
  words[3] = four.w;
}

// Eight values of one thread. Packed as 16-bit floats they fill a uint4, as fp8 codes a uint2; the
// first one is in the lowest bits.
inline constexpr int kPack = 8;

template <DType kDtype>
__device__ __forceinline__ float2 unpack_pair(uint32_t pair) {
  if constexpr (kDtype == DType::kBFloat16) {
    return {__uint_as_float(pair << 16), __uint_as_float(pair & 0xffff0000U)};
  } else {
    __half2 halves;
    memcpy(&halves, &pair, sizeof(pair));
    return __half22float2(halves);
  }
}

template <DType kDtype>
__device__ __forceinline__ void unpack(uint4 packed, float (&values)[kPack]) {
  const uint32_t pairs[] = {packed.x, packed.y, packed.z, packed.w};
#pragma unroll
  for (int i = 0; i < kPack / 2; ++i) {
    const float2 pair = unpack_pair<kDtype>(pairs[i]);
    values[2 * i] = pair.x;
    values[2 * i + 1] = pair.y;
  }
}

template <DType kDtype>
__device__ __forceinline__ void unpack(uint2 packed, float (&values)[kPack / 2]) {
  const float2 low = unpack_pair<kDtype>(packed.x);
  const float2 high = unpack_pair<kDtype>(packed.y);
  values[0] = low.x;
  values[1] = low.y;
  values[2] = high.x;
  values[3] = high.y;
}

// Rounds to nearest even.
template <DType kDtype>
__device__ __forceinline__ uint32_t pack_pair(float first, float second) {
  uint32_t pair;
  if constexpr (kDtype == DType::kBFloat16) {
    const __nv_bfloat162 rounded = __floats2bfloat162_rn(first, second);
    memcpy(&pair, &rounded, sizeof(pair));
  } else {
    const __half2 rounded = __floats2half2_rn(first, second);
    memcpy(&pair, &rounded, sizeof(pair));
  }
  return pair;
}

template <DType kDtype>
__device__ __forceinline__ uint4 pack(const float (&values)[kPack]) {
  return {pack_pair<kDtype>(values[0], values[1]), pack_pair<kDtype>(values[2], values[3]),
          pack_pair<kDtype>(values[4], values[5]), pack_pair<kDtype>(values[6], values[7])};
}

template <DType kDtype>
__device__ __forceinline__ uint2 pack(const float (&values)[kPack / 2]) {
  return {pack_pair<kDtype>(values[0], values[1]), pack_pair<kDtype>(values[2], values[3])};
}

// The same for a dtype that is known at run time: bfloat16 or float16, one branch for all eight.
__device__ __forceinline__ void unpack(uint4 packed, DType dtype, float (&values)[kPack]) {
  if (dtype == DType::kBFloat16) {
    unpack<DType::kBFloat16>(packed, values);
  } else {
    unpack<DType::kFloat16>(packed, values);
  }
}

__device__ __forceinline__ uint4 pack(const float (&values)[kPack], DType dtype) {
  return dtype == DType::kBFloat16 ? pack<DType::kBFloat16>(values) : pack<DType::kFloat16>(values);
}

// Round to nearest even, infinities saturate, NaN stays NaN (0x7f).
template <__nv_fp8_interpretation_t kKind>
__device__ __forceinline__ uint2 to_fp8_kind(const float (&values)[kPack]) {
  uint32_t pairs[kPack / 2];
#pragma unroll
  for (int i = 0; i < kPack / 2; ++i) {
    pairs[i] = __nv_cvt_float2_to_fp8x2({values[2 * i], values[2 * i + 1]}, __NV_SATFINITE, kKind);
  }
  return {pairs[0] | pairs[1] << 16, pairs[2] | pairs[3] << 16};
}

__device__ __forceinline__ uint2 to_fp8(const float (&values)[kPack], DType dtype) {
  return dtype == DType::kFloat8E4M3 ? to_fp8_kind<__NV_E4M3>(values)
                                     : to_fp8_kind<__NV_E5M2>(values);
}

}  // namespace slipstream::cuda
