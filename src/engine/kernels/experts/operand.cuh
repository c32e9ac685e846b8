// Activations of the experts' products, quantised once per CTA into shared memory or, where they
// are not quantised or too many, read from global memory each time.
#pragma once

#include "engine/kernels/linear/params.h"
#include "engine/kernels/support/lanes.cuh"
#include "engine/kernels/support/tensor_core.cuh"

namespace slipstream::engine::kernels::experts {

// Neighbouring columns of one token that a lane holds.
inline constexpr int kLaneColumns = 32;
using LaneValues = float[kLaneColumns];

__device__ __forceinline__ void zero(LaneValues& values) {
#pragma unroll
  for (float& value : values) value = 0.0F;
}

__device__ __forceinline__ void load_lane(const __nv_bfloat16* source, LaneValues& values) {
#pragma unroll
  for (int piece = 0; piece < kLaneColumns / 8; ++piece) {
    float eight[8];
    load_eight(source + piece * 8, eight);
#pragma unroll
    for (int i = 0; i < 8; ++i) values[piece * 8 + i] = eight[i];
  }
}

// 32 columns of one token as the tensor core's second operand.
struct Operand {
  std::uint32_t words[16];  // bf16 pairs; e4m3 codes: the first 8
  float scales[2];          // of the lane's two result columns, tokens 2 (lane % 4) and the next
};

struct LaneCodes {
  std::uint32_t words[8];
  float scale;
};

// Four neighbouring lanes quantise their 128 columns.
__device__ __forceinline__ LaneCodes quantise(LaneValues& values, bool ue8m0) {
  float amax = 0;
#pragma unroll
  for (const float value : values) amax = fmaxf(amax, fabsf(value));
  const ops::Divisor scale = activation_scale(lane_max<4>(amax), ue8m0);
#pragma unroll
  for (float& value : values) value = quotient(value, scale, ue8m0);
  LaneCodes codes;
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    codes.words[i] =
        four_codes(values[4 * i], values[4 * i + 1], values[4 * i + 2], values[4 * i + 3]);
  }
  codes.scale = scale.value;
  return codes;
}

// A row of 128 e4m3 codes in shared memory as the lanes of one token read it: 16 bytes twice.
// Odd rows have them swapped, so that two neighbouring tokens' rows lie on different banks.
struct LanePieces {
  int low;
  int high;
};
__device__ __forceinline__ LanePieces lane_pieces(int row) {
  const int low = (threadIdx.x % 4 * 2 + row % 2) * 16;
  return {low, low ^ 16};
}

__device__ __forceinline__ void store_codes(unsigned char* target, int row, const LaneCodes& lane) {
  const LanePieces pieces = lane_pieces(row);
  *reinterpret_cast<uint4*>(target + pieces.low) =
      make_uint4(lane.words[0], lane.words[1], lane.words[2], lane.words[3]);
  *reinterpret_cast<uint4*>(target + pieces.high) =
      make_uint4(lane.words[4], lane.words[5], lane.words[6], lane.words[7]);
}

__device__ __forceinline__ void load_codes(const unsigned char* source, LanePieces pieces,
                                           Operand& operand) {
  const uint4 low = *reinterpret_cast<const uint4*>(source + pieces.low);
  const uint4 high = *reinterpret_cast<const uint4*>(source + pieces.high);
  operand.words[0] = low.x;
  operand.words[1] = low.y;
  operand.words[2] = low.z;
  operand.words[3] = low.w;
  operand.words[4] = high.x;
  operand.words[5] = high.y;
  operand.words[6] = high.z;
  operand.words[7] = high.w;
}

// Quantises units first, first + 1, ... of 128 columns, eight at a time, then jumps on by `step`:
// values(unit, column in the unit, values) gives those of one lane, store(unit, codes) takes them.
template <class Values, class Store>
__device__ __forceinline__ void quantise_units(int first, int count, int step, bool ue8m0,
                                               const Values& values, const Store& store) {
  const int lane = threadIdx.x % 32;
  for (int begin = first; begin < count; begin += step) {
    const int unit = begin + lane / 4;
    LaneValues lane_values;
    if (unit < count) {
      values(unit, lane % 4 * kLaneColumns, lane_values);
    } else {
      zero(lane_values);
    }
    const LaneCodes codes = quantise(lane_values, ue8m0);
    if (unit < count) store(unit, codes);
  }
}

// A scale that the lanes of each token hold, for the lane's two result columns.
__device__ __forceinline__ void spread_scale(float scale, Operand& operand) {
  const int owner = threadIdx.x % 4 * 8;
  operand.scales[0] = __shfl_sync(kAllLanes, scale, owner);
  operand.scales[1] = __shfl_sync(kAllLanes, scale, owner + 4);
}

// The operand of the lane's own values.
__device__ __forceinline__ void make_operand(LaneValues& values, bool is_fp8, bool ue8m0,
                                             Operand& operand) {
  if (!is_fp8) {
#pragma unroll
    for (int i = 0; i < 16; ++i) {
      operand.words[i] = ops::pack_pair<DType::kBFloat16>(values[2 * i], values[2 * i + 1]);
    }
    return;
  }
  const LaneCodes codes = quantise(values, ue8m0);
#pragma unroll
  for (int i = 0; i < 8; ++i) operand.words[i] = codes.words[i];
  spread_scale(codes.scale, operand);
}

}  // namespace slipstream::engine::kernels::experts
