// Matrix products of 1 to 16 tokens with packed weights, fp8 with block scales (W8A8) or bf16.
//
// Data flow. A CTA owns 16 rows of one segment; its warps share the columns out by groups of 128
// and sum up through shared memory at the end, in a fixed order. A warp streams its own chunks of
// weights into a ring of its own, starting before the wait. A lane holds 32 neighbouring columns of
// one token and of two weight rows: the tensor core wants another order of columns, but a dot
// product does not care as long as both sides agree. Activations come from a Source (a norm, a
// gated product, ...), are quantised in registers and never stored.
//
// PDL: the weights, their scales and barriers before the wait; activations and outputs after it.
#pragma once

#include "engine/kernels/linear/params.h"
#include "engine/kernels/linear/sources.cuh"
#include "engine/kernels/linear/weight_stream.cuh"
#include "engine/kernels/support/lanes.cuh"
#include "engine/kernels/support/launch_scope.cuh"
#include "engine/kernels/support/tensor_core.cuh"
#include "slipstream/pdl.cuh"

namespace slipstream::engine::kernels {

struct LinearShared {
  std::uint64_t barriers[kMaxWarps][WeightStream::kMaxSlots];
  SourceShared source;
  float partials[kMaxWarps][kTileRows * kMaxRows];
};

// A lane's 32 columns as the tensor core's second operand.
struct Operand {
  std::uint32_t words[16];  // e4m3: the first 8
  float scale;              // of the lane's token
};

template <class Source>
__device__ __forceinline__ void load_operand(const Source& source, int token, int tokens,
                                             int column, bool is_fp8, bool ue8m0,
                                             Operand& operand) {
  LaneValues values;
  if (token < tokens) {
    source.values(token, column, values);
  } else {
    zero(values);
  }
  if (!is_fp8) {
#pragma unroll
    for (int i = 0; i < 16; ++i) {
      operand.words[i] = ops::pack_pair<DType::kBFloat16>(values[2 * i], values[2 * i + 1]);
    }
    return;
  }
  float amax = 0;
#pragma unroll
  for (const float value : values) amax = fmaxf(amax, fabsf(value));
  const ops::Divisor scale = activation_scale(lane_max<4>(amax), ue8m0);
#pragma unroll
  for (float& value : values) value = quotient(value, scale, ue8m0);
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    operand.words[i] =
        four_codes(values[4 * i], values[4 * i + 1], values[4 * i + 2], values[4 * i + 3]);
  }
  operand.scale = scale.value;
}

template <int kTokenTiles>
using Sums = float[kTokenTiles][4];

template <int kTokenTiles>
__device__ __forceinline__ void multiply_fp8_group(WeightStream& stream, float weight_scale,
                                                   const Operand (&x)[kTokenTiles],
                                                   Sums<kTokenTiles>& sums) {
  const int lane = threadIdx.x % 32;
  const std::uint32_t chunk = stream.wait() + lane * 16;
  float products[kTokenTiles][4] = {};
#pragma unroll
  for (int step = 0; step < 4; ++step) {
    const uint4 a = ops::load_shared_16(chunk + step * 512);
#pragma unroll
    for (int t = 0; t < kTokenTiles; ++t) {
      multiply_fp8(products[t], a, x[t].words[2 * step], x[t].words[2 * step + 1]);
    }
  }
  stream.release();
#pragma unroll
  for (int t = 0; t < kTokenTiles; ++t) {
    // A lane's products belong to tokens 2 (l % 4) and the next, whose scales other lanes have.
    const int owner = lane % 4 * 8;
    const float scale0 = __shfl_sync(kAllLanes, x[t].scale, owner) * weight_scale;
    const float scale1 = __shfl_sync(kAllLanes, x[t].scale, owner + 4) * weight_scale;
    sums[t][0] += products[t][0] * scale0;
    sums[t][1] += products[t][1] * scale1;
    sums[t][2] += products[t][2] * scale0;
    sums[t][3] += products[t][3] * scale1;
  }
}

template <int kTokenTiles>
__device__ __forceinline__ void multiply_bf16_group(WeightStream& stream,
                                                    const Operand (&x)[kTokenTiles],
                                                    Sums<kTokenTiles>& sums) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const std::uint32_t chunk = stream.wait() + threadIdx.x % 32 * 16;
#pragma unroll
    for (int step = 0; step < 4; ++step) {
      const uint4 a = ops::load_shared_16(chunk + step * 512);
      const int word = half * 8 + step * 2;
#pragma unroll
      for (int t = 0; t < kTokenTiles; ++t) {
        multiply_bf16(sums[t], a, x[t].words[word], x[t].words[word + 1]);
      }
    }
    stream.release();
  }
}

// Groups first, first + step, ... of a tile whose stream has been started.
template <int kTokenTiles, class Source>
__device__ __forceinline__ void multiply_tile(WeightStream& stream, const PackedMatrix& matrix,
                                              int tile, int first, int step, const Source& source,
                                              int tokens, bool ue8m0, Sums<kTokenTiles>& sums) {
  const int lane = threadIdx.x % 32;
  for (int group = first; group < matrix.groups(); group += step) {
    Operand x[kTokenTiles];
    const int column = group * kGroup + lane % 4 * kLaneColumns;
#pragma unroll
    for (int t = 0; t < kTokenTiles; ++t) {
      load_operand(source, t * 8 + lane / 4, tokens, column, matrix.is_fp8, ue8m0, x[t]);
    }
    if (matrix.is_fp8) {
      const float scale = matrix.scales.get()[tile * matrix.groups() + group];
      multiply_fp8_group<kTokenTiles>(stream, scale, x, sums);
    } else {
      multiply_bf16_group<kTokenTiles>(stream, x, sums);
    }
  }
}

// A warp's sums to shared memory as [row][token].
template <int kTokenTiles>
__device__ __forceinline__ void store_partials(const Sums<kTokenTiles>& sums, float* partials) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int t = 0; t < kTokenTiles; ++t) {
    float* target = partials + lane / 4 * kMaxRows + t * 8 + lane % 4 * 2;
    target[0] = sums[t][0];
    target[1] = sums[t][1];
    target[8 * kMaxRows] = sums[t][2];
    target[8 * kMaxRows + 1] = sums[t][3];
  }
}

// Adds all warps' partial sums and gives store(row, token, sum) each result.
template <class Store>
__device__ __forceinline__ void finish(const LinearShared& shared, int tokens, const Store& store) {
  __syncthreads();
  const int warps = static_cast<int>(blockDim.x) / 32;
  for (int i = threadIdx.x; i < kTileRows * kMaxRows; i += static_cast<int>(blockDim.x)) {
    if (i % kMaxRows >= tokens) continue;
    float sum = 0;
    for (int warp = 0; warp < warps; ++warp) sum += shared.partials[warp][i];
    store(i / kMaxRows, i % kMaxRows, sum);
  }
}

__device__ __forceinline__ void store_result(const Segment& segment, int row, int token,
                                             float sum) {
  if (row >= segment.matrix.rows) return;
  const std::int64_t index = token * segment.output_stride + row;
  if (segment.output_is_float32) {
    static_cast<float*>(segment.output.get())[index] = sum;
  } else {
    static_cast<__nv_bfloat16*>(segment.output.get())[index] = __float2bfloat16_rn(sum);
  }
}

// The segment that tile `tile` of all segments' tiles belongs to; `tile` becomes its own. Unrolled,
// so that every field is read at a fixed place of the parameters.
__device__ __forceinline__ Segment take_segment(const LinearParams& params, int& tile) {
  Segment segment = params.segments[0];
#pragma unroll
  for (int i = 1; i < kMaxSegments; ++i) {
    const int tiles = segment.matrix.tile_count();
    if (i < params.segment_count && tile >= tiles) {
      tile -= tiles;
      segment = params.segments[i];
    }
  }
  return segment;
}

// The work of one CTA: tile `tile` of all segments' tiles. Waits.
template <class Source, int kTokenTiles>
__device__ __forceinline__ void linear_block(const LinearParams& params,
                                             const typename Source::Input& input, int tile,
                                             unsigned char* rings, LinearShared& shared) {
  const Segment segment = take_segment(params, tile);
  const int warp = threadIdx.x / 32;
  const int warps = static_cast<int>(blockDim.x) / 32;
  WeightStream stream(rings + warp * params.ring_slots * kChunkBytes, shared.barriers[warp],
                      params.ring_slots);
  stream.start(segment.matrix, tile, warp, warps);

  pdl::wait();
  Source source(input, tile * kTileRows / params.rows_per_input, shared.source);
  source.prepare(params.tokens);
  Sums<kTokenTiles> sums = {};
  multiply_tile<kTokenTiles>(stream, segment.matrix, tile, warp, warps, source, params.tokens,
                             params.ue8m0, sums);
  store_partials<kTokenTiles>(sums, shared.partials[warp]);
  finish(shared, params.tokens, [&](int row, int token, float sum) {
    store_result(segment, tile * kTileRows + row, token, sum);
  });
}

template <class Source, int kTokenTiles>
__global__ void __launch_bounds__(kMaxWarps * 32, 2)
    linear_kernel(const __grid_constant__ LinearLaunch<typename Source::Input> params) {
  extern __shared__ __align__(128) unsigned char rings[];
  __shared__ LinearShared shared;
  [[maybe_unused]] const LaunchScope scope{};
  pdl::trigger();
  linear_block<Source, kTokenTiles>(params.linear, params.input, static_cast<int>(blockIdx.x),
                                    rings, shared);
}

}  // namespace slipstream::engine::kernels
