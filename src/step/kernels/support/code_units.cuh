// Stores and loads of activations as e4m3 codes, several lanes for each unit; code_units.h says where
// what lies.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "cuda/convert.cuh"
#include "step/kernels/support/code_units.h"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

struct CodeUnits {
  unsigned char* codes;
  float* scales;

  __device__ CodeUnits(unsigned char* memory, int units)
      : codes(memory), scales(reinterpret_cast<float*>(memory + units * kUnitCodes)) {}

  // Sixteen neighboring lanes store a unit, eight codes each.
  __device__ void store(int unit, const uint32_t (&words)[2], float scale) const {
    const uint32_t eighth = threadIdx.x % 16;
    const uint32_t piece = (eighth / 2) ^ (unit & 1);
    *reinterpret_cast<uint2*>(codes + (unit * kUnitCodes + piece * 16 + eighth % 2 * 8)) = {
        words[0], words[1]};
    if (eighth == 0) scales[unit] = scale;
  }
  // Or 32 of them, four each.
  __device__ void store(int unit, const uint32_t (&words)[1], float scale) const {
    const uint32_t word = threadIdx.x % 32;
    const uint32_t piece = (word / 4) ^ (unit & 1);
    *reinterpret_cast<uint32_t*>(codes + (unit * kUnitCodes + piece * 16 + word % 4 * 4)) =
        words[0];
    if (word == 0) scales[unit] = scale;
  }
  // Or eight of them, 16 codes each.
  __device__ void store(int unit, const uint32_t (&words)[4], float scale) const {
    const int piece = static_cast<int>(threadIdx.x) % 8;
    *reinterpret_cast<uint4*>(codes + unit * kUnitCodes + (piece ^ (unit & 1)) * 16) = {
        words[0], words[1], words[2], words[3]};
    if (piece == 0) scales[unit] = scale;
  }
  // Or four, 32 codes each.
  __device__ void store(int unit, const uint32_t (&words)[8], float scale) const {
    const int low = low_place(unit);
    *reinterpret_cast<uint4*>(codes + unit * kUnitCodes + low) = {words[0], words[1], words[2],
                                                                  words[3]};
    *reinterpret_cast<uint4*>(codes + unit * kUnitCodes + (low ^ 16)) = {words[4], words[5],
                                                                         words[6], words[7]};
    if (threadIdx.x % 4 == 0) scales[unit] = scale;
  }
  // Four lanes load one, 32 codes each.
  __device__ void load(int unit, uint32_t* words) const {
    const int low = low_place(unit);
    cuda::split_words(*reinterpret_cast<const uint4*>(codes + unit * kUnitCodes + low), words);
    cuda::split_words(*reinterpret_cast<const uint4*>(codes + unit * kUnitCodes + (low ^ 16)),
                      words + 4);
  }

 private:
  // Where the first 16 codes of a lane lie, if four lanes share a unit.
  __device__ static int low_place(int unit) {
    return (static_cast<int>(threadIdx.x) % 4 * 2 + (unit & 1)) * 16;
  }
};

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
