// What sources of activations (sources.cuh) read and give: neighboring columns of a token, as they are stored
// and as numbers, and which ones a lane has.
#pragma once

#include <type_traits>

#include "cuda/memory.cuh"
#include "cuda/system_memory.cuh"
#include "step/kernels/linear/params.h"
#include "step/kernels/support/lanes.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

template <int kCount>
using Values = float[kCount];
using Eight = Values<8>;

// Neighboring columns as they are stored.
template <int kCount>
using Packed = std::conditional_t<kCount == 8, uint4, uint2>;
template <int kCount>
__device__ __forceinline__ Packed<kCount> load_raw(const __nv_bfloat16* address) {
  return *reinterpret_cast<const Packed<kCount>*>(address);
}
// Not from the first cache, where a line of an earlier launch may lie before the wait.
__device__ __forceinline__ void load_past_cache(const __nv_bfloat16* address, uint4& raw) {
  raw = cuda::load_system_16(address);
}
__device__ __forceinline__ void load_past_cache(const __nv_bfloat16* address, uint2& raw) {
  raw = cuda::load_system_8(address);
}
template <int kCount>
__device__ __forceinline__ void add(Packed<kCount> raw, Values<kCount>& values) {
  Values<kCount> more;
  cuda::unpack<DType::kBFloat16>(raw, more);
#pragma unroll
  for (int i = 0; i < kCount; ++i) values[i] += more[i];
}

// Eight or four columns of a token.
struct Place {
  int token;
  int column;
  // When the cluster's turn comes among all that have the same columns: the first one stores them
  // for later launches.
  int turn;
  int clusters;

  __device__ bool stores() const { return turn == 0; }
  __device__ Place advanced(int columns) const { return {token, column + columns, turn, clusters}; }
};

// A norm's weights.
template <int kCount>
__device__ __forceinline__ void load_weights(const float* gamma, Values<kCount>& values) {
#pragma unroll
  for (int i = 0; i < kCount; i += 4) {
    const float4 four = *reinterpret_cast<const float4*>(gamma + i);
    values[i] = four.x;
    values[i + 1] = four.y;
    values[i + 2] = four.z;
    values[i + 3] = four.w;
  }
}

template <int kCount>
__device__ __forceinline__ void normalize(const Values<kCount>& gamma, float factor,
                                          Values<kCount>& values) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) values[i] = gamma[i] * (values[i] * factor);
  round_to_bf16(values);
}

// Nobody wants what the source gives as codes.
struct UncodedSource {
  static __device__ constexpr unsigned char* coded() { return nullptr; }
};

// The same, so many columns further.
__device__ __forceinline__ const __nv_bfloat16* advance(const __nv_bfloat16* address, int columns) {
  return address + columns;
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
