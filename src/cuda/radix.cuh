// Finds the border of the largest elements of an array: the smallest key such that the elements
// with this key or a larger one weigh at least `wanted`. Weights are integers, so nothing hangs on
// the order in which threads add.
#pragma once

#include <cstdint>

namespace slipstream::cuda {

// Unsigned integers that compare as the floats do; NaN is as small as minus infinity, and the two
// zeros are equal.
__device__ __forceinline__ uint32_t ordered_bits(float value) {
  if (isnan(value)) value = -INFINITY;
  const uint32_t bits = __float_as_uint(value + 0.0F);
  return (bits & 0x80000000U) != 0 ? ~bits : bits | 0x80000000U;
}

__device__ __forceinline__ float from_ordered_bits(uint32_t bits) {
  return __uint_as_float((bits & 0x80000000U) != 0 ? bits & 0x7fffffffU : ~bits);
}

inline constexpr int kDigits = 256;

template <class Weight>
struct RadixShared {
  Weight histogram[kDigits];
  Weight above;
  uint32_t digit;
};

template <class Weight>
struct RadixResult {
  uint32_t key;
  Weight above;  // weight of the elements with larger keys
};

// All threads of the CTA take part; key(i) and weight(i) of elements 0 to count - 1. If everything
// together weighs less than `wanted`, the key is the smallest one.
template <class Weight, class Key, class WeightOf>
__device__ RadixResult<Weight> find_border(int count, Weight wanted, RadixShared<Weight>& shared,
                                           const Key& key, const WeightOf& weight) {
  uint32_t prefix = 0;
  uint32_t mask = 0;
  Weight above = 0;
  for (int shift = 24; shift >= 0; shift -= 8) {
    for (int i = threadIdx.x; i < kDigits; i += static_cast<int>(blockDim.x)) {
      shared.histogram[i] = 0;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < count; i += static_cast<int>(blockDim.x)) {
      const uint32_t bits = key(i);
      if ((bits & mask) == prefix) {
        atomicAdd(&shared.histogram[bits >> shift & (kDigits - 1)], weight(i));
      }
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      Weight sum = above;
      int digit = kDigits - 1;
      int smallest = 0;
      while (smallest < kDigits - 1 && shared.histogram[smallest] == 0) ++smallest;
      while (digit > smallest && sum + shared.histogram[digit] < wanted) {
        sum += shared.histogram[digit];
        --digit;
      }
      shared.above = sum;
      shared.digit = static_cast<uint32_t>(digit);
    }
    __syncthreads();
    above = shared.above;
    prefix |= shared.digit << shift;
    mask |= 0xffU << shift;
    __syncthreads();
  }
  return {prefix, above};
}

}  // namespace slipstream::cuda
