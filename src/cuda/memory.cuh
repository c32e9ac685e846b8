// Loads and stores of the small operators: one wide access per thread where addresses allow it,
// unit by unit where they do not. Produced memory is read with plain ld.global only, never through
// the read-only path (docs/pdl.md).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace slipstream::cuda {

// Reads sizeof(Word) bytes as `Unit`s: in one access where Unit is Word, else the first `count`
// units, the rest zero.
template <class Unit, class Word>
__device__ __forceinline__ Word load_units(const void* address, int count) {
  if constexpr (sizeof(Unit) == sizeof(Word)) {
    return *static_cast<const Word*>(address);
  } else {
    constexpr int kUnits = sizeof(Word) / sizeof(Unit);
    Unit units[kUnits] = {};
#pragma unroll
    for (int i = 0; i < kUnits; ++i) {
      if (i < count) units[i] = static_cast<const Unit*>(address)[i];
    }
    Word word;
    memcpy(&word, units, sizeof(word));
    return word;
  }
}

// The inverse of load_units: writes the first `count` units, or the whole word at once where Unit
// is Word.
template <class Unit, class Word>
__device__ __forceinline__ void store_units(void* address, Word word, int count) {
  if constexpr (sizeof(Unit) == sizeof(Word)) {
    *static_cast<Word*>(address) = word;
  } else {
    constexpr int kUnits = sizeof(Word) / sizeof(Unit);
    Unit units[kUnits];
    memcpy(units, &word, sizeof(word));
#pragma unroll
    for (int i = 0; i < kUnits; ++i) {
      if (i < count) static_cast<Unit*>(address)[i] = units[i];
    }
  }
}

// Pins the load of `value` above this point. Without it the compiler sinks a load into the branch
// that uses it, after the index that the branch tests: two round trips to memory where one is
// enough.
__device__ __forceinline__ void keep(uint8_t&) {}
__device__ __forceinline__ void keep(uint16_t& value) { asm volatile("" : "+h"(value)); }
__device__ __forceinline__ void keep(uint32_t& value) { asm volatile("" : "+r"(value)); }
__device__ __forceinline__ void keep(uint2& value) {
  asm volatile("" : "+r"(value.x), "+r"(value.y));
}
__device__ __forceinline__ void keep(uint4& value) {
  asm volatile("" : "+r"(value.x), "+r"(value.y), "+r"(value.z), "+r"(value.w));
}

// A load that is made here. ptxas may put a plain one behind an instruction that waits for an older load.
__device__ __forceinline__ int load_in_order(const int* address) {
  int value;
  asm volatile("ld.global.s32 %0, [%1];" : "=r"(value) : "l"(address));
  return value;
}

// What settle() takes: addresses and numbers.
__device__ __forceinline__ uint64_t as_bits(const void* address) {
  return reinterpret_cast<uint64_t>(address);
}
__device__ __forceinline__ uint64_t as_bits(int value) { return static_cast<uint64_t>(value); }
__device__ __forceinline__ uint64_t as_bits(float value) { return __float_as_uint(value); }

// Has the values computed before the wait that follows. ptxas places a wait as early as it can and
// would leave address arithmetic after it, on the path that everything else waits for. A sleep of
// no length that hardly ever happens is a use of the values that it does not move.
template <class... Values>
__device__ __forceinline__ void settle(Values... values) {
  const uint64_t all = (... ^ as_bits(values));
  asm volatile(
      "{ .reg .pred never; setp.eq.u64 never, %0, 1; @never nanosleep.u32 0; }" ::"l"(all));
}

}  // namespace slipstream::cuda
