// What the programs of several devices share.
#pragma once

#include <string>

#include "../programs/program.h"

inline int device_count() {
  int devices = 0;
  check(cudaGetDeviceCount(&devices), "cudaGetDeviceCount");
  return devices;
}

inline void enable_all_peers(int devices) {
  for (int i = 0; i < devices; ++i) {
    check(cudaSetDevice(i), "cudaSetDevice");
    for (int k = 0; k < devices; ++k) {
      if (k != i) check(cudaDeviceEnablePeerAccess(k, 0), "cudaDeviceEnablePeerAccess");
    }
  }
}

// Words that devices exchange: relaxed, at system scope.
__device__ inline unsigned load(const unsigned* word) {
  unsigned value;
  asm volatile("ld.relaxed.sys.global.u32 %0, [%1];" : "=r"(value) : "l"(word) : "memory");
  return value;
}
__device__ inline void store(unsigned* word, unsigned value) {
  asm volatile("st.relaxed.sys.global.u32 [%0], %1;" ::"l"(word), "r"(value) : "memory");
}
