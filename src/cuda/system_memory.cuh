// Memory that several GPUs, and the host, read and write while kernels run: every access relaxed at
// system scope. Words of 4 bytes (of 8 in pairs of 8) arrive whole, in any order.
#pragma once

#include <cstdint>

namespace slipstream::cuda {

__device__ __forceinline__ uint32_t load_system_4(const uint32_t* address) {
  uint32_t word;
  asm volatile("ld.relaxed.sys.global.u32 %0, [%1];" : "=r"(word) : "l"(address) : "memory");
  return word;
}

__device__ __forceinline__ void store_system_4(void* address, uint32_t word) {
  asm volatile("st.relaxed.sys.global.u32 [%0], %1;" ::"l"(address), "r"(word) : "memory");
}

// Four words of 4 bytes.
__device__ __forceinline__ uint4 load_system_16(const void* address) {
  uint4 words;
  asm volatile("ld.relaxed.sys.global.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(words.x), "=r"(words.y), "=r"(words.z), "=r"(words.w)
               : "l"(address)
               : "memory");
  return words;
}

// Two of them.
__device__ __forceinline__ uint2 load_system_8(const void* address) {
  uint2 words;
  asm volatile("ld.relaxed.sys.global.v2.u32 {%0, %1}, [%2];"
               : "=r"(words.x), "=r"(words.y)
               : "l"(address)
               : "memory");
  return words;
}

__device__ __forceinline__ void store_system_8(void* address, uint2 words) {
  asm volatile("st.relaxed.sys.global.v2.u32 [%0], {%1, %2};" ::"l"(address), "r"(words.x),
               "r"(words.y)
               : "memory");
}

__device__ __forceinline__ void store_system_16(void* address, uint4 words) {
  asm volatile("st.relaxed.sys.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(address), "r"(words.x),
               "r"(words.y), "r"(words.z), "r"(words.w)
               : "memory");
}

// Two words of 8 bytes.
struct WordPair {
  uint64_t first;
  uint64_t second;
};

__device__ __forceinline__ WordPair load_system_pair(const uint64_t* address) {
  WordPair words;
  asm volatile("ld.relaxed.sys.global.v2.u64 {%0, %1}, [%2];"
               : "=l"(words.first), "=l"(words.second)
               : "l"(address)
               : "memory");
  return words;
}

__device__ __forceinline__ void store_system_pair(void* address, WordPair words) {
  asm volatile("st.relaxed.sys.global.v2.u64 [%0], {%1, %2};" ::"l"(address), "l"(words.first),
               "l"(words.second)
               : "memory");
}

// Stores after all that this thread has stored before.
__device__ __forceinline__ void store_system_last(void* address, uint32_t word) {
  asm volatile("st.release.sys.global.u32 [%0], %1;" ::"l"(address), "r"(word) : "memory");
}

// A clock that all of a GPU's multiprocessors share.
__device__ __forceinline__ uint64_t nanoseconds() {
  uint64_t time;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(time));
  return time;
}

}  // namespace slipstream::cuda
