// What the programs of several devices share.
#pragma once

#include <string>

#include "../programs/program.h"
#include "words.cuh"

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
