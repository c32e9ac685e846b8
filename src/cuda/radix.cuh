// Finds the border of the largest elements of an array: the smallest key such that the elements
// with this key or a larger one weigh at least what is wanted. Weights are integers, so nothing
// hangs on the order in which threads add, or on where the elements lie: CTAs that have parts of
// the array and add their histograms find the border of the whole.
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
inline constexpr int kRadixRounds = 4;

template <class Weight>
struct RadixShared {
  Weight histogram[kDigits];
  uint32_t digit;
};

// What a search is about: key(i) and weight(i) of elements 0 to count - 1.
template <class Key, class WeightOf>
struct RadixElements {
  int count;
  Key key;
  WeightOf weight;
};

// All threads of the CTA take part. `add_others(round, histogram)` adds what other CTAs have
// counted, in a search of several; `wanted(histogram)` says what is wanted, given the first round's
// histogram, which holds all elements. If everything together weighs less, the key is the smallest
// one.
template <class Weight, class Key, class WeightOf, class AddOthers, class Wanted>
__device__ uint32_t find_border(const RadixElements<Key, WeightOf>& elements,
                                RadixShared<Weight>& shared, const AddOthers& add_others,
                                const Wanted& wanted) {
  uint32_t prefix = 0;
  uint32_t mask = 0;
  // Thread 0's: what is wanted, and the weight of elements that are larger by the digits found.
  Weight least = 0;
  Weight above = 0;
  for (int round = 0; round < kRadixRounds; ++round) {
    const int shift = 24 - 8 * round;
    for (int i = threadIdx.x; i < kDigits; i += static_cast<int>(blockDim.x)) {
      shared.histogram[i] = 0;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < elements.count; i += static_cast<int>(blockDim.x)) {
      const uint32_t bits = elements.key(i);
      if ((bits & mask) == prefix) {
        atomicAdd(&shared.histogram[bits >> shift & (kDigits - 1)], elements.weight(i));
      }
    }
    __syncthreads();
    add_others(round, shared.histogram);
    if (threadIdx.x == 0) {
      if (round == 0) least = wanted(shared.histogram);
      int digit = kDigits - 1;
      int smallest = 0;
      while (smallest < kDigits - 1 && shared.histogram[smallest] == 0) ++smallest;
      while (digit > smallest && above + shared.histogram[digit] < least) {
        above += shared.histogram[digit];
        --digit;
      }
      shared.digit = static_cast<uint32_t>(digit);
    }
    __syncthreads();
    prefix |= shared.digit << shift;
    mask |= 0xffU << shift;
    __syncthreads();
  }
  return prefix;
}

}  // namespace slipstream::cuda
