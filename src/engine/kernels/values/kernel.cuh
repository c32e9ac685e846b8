// Combination of attention's splits, and W_UV.
//
// A CTA owns 16 rows of one head. Warp w combines and multiplies 64 of the 512 columns: its weights
// wait in registers, and no barrier lies between the wait and the product. Lane l < 16 combines
// four columns of every other part (a token's split), lane l + 16 of the others.
//
// PDL: weights before the wait; partial results and outputs after it.
#pragma once

#include "engine/kernels/attend/params.h"
#include "engine/kernels/support/lanes.cuh"
#include "engine/kernels/support/launch_scope.cuh"
#include "engine/kernels/support/weight_chunk.cuh"
#include "engine/kernels/values/params.h"

namespace slipstream::engine::kernels {
namespace values {

inline constexpr int kWarps = kLatent / kChunkColumns / 4;
inline constexpr int kHalfParts = kMostParts / 2;
inline constexpr int kWarpColumns = 4 * kChunkColumns;

struct Shared {
  __nv_bfloat16 latents[kWarps][kMaxRows][kWarpColumns];
  float sums[kWarps][kTileRows * kMaxRows];
};

// Splits are a power of two.
struct Part {
  int token;
  int split;
};
__device__ __forceinline__ Part part_of(int index, int splits) {
  return {index >> (31 - __clz(splits)), index & (splits - 1)};
}

// What lane l's part is multiplied with, l = token * splits + split below 16: its share in the
// softmax of all keys of the token. 0 for a part without keys, which has not been written.
__device__ __forceinline__ float part_factor(const ValuesParams& params, int head) {
  const Part part = part_of(threadIdx.x % kMostParts, params.splits);
  float2 weight = {-INFINITY, 0};
  if (part.token < params.tokens) {
    const std::int64_t row = std::int64_t{part.token} * params.heads + head;
    weight = params.weights.get()[row * params.splits + part.split];
  }
  float largest = weight.x;
  for (int distance = 1; distance < params.splits; distance *= 2) {
    largest = fmaxf(largest, __shfl_xor_sync(kAllLanes, largest, distance));
  }
  const float factor = weight.y == 0 ? 0.0F : exp2f(weight.x - largest);
  float total = factor * weight.y;
  for (int distance = 1; distance < params.splits; distance *= 2) {
    total += __shfl_xor_sync(kAllLanes, total, distance);
  }
  return factor == 0 ? 0.0F : factor / total;
}

__device__ __forceinline__ void add(float4& sum, float4 other) {
  sum.x += other.x;
  sum.y += other.y;
  sum.z += other.z;
  sum.w += other.w;
}

// The warp's 64 columns of the latents of all tokens, rounded, in shared memory.
__device__ __forceinline__ void combine(const ValuesParams& params, int head, int chunk,
                                        __nv_bfloat16 (&latents)[kMaxRows][kWarpColumns]) {
  const int lane = threadIdx.x % 32;
  const int half = lane / 16;
  const int column = chunk_column(chunk, lane % 16 / 4) + lane % 4 * 4;
  float4 parts[kHalfParts];
#pragma unroll
  for (int i = 0; i < kHalfParts; ++i) {
    const Part part = part_of(half * kHalfParts + i, params.splits);
    if (part.token >= params.tokens) continue;
    const std::int64_t row = std::int64_t{part.token} * params.heads + head;
    const float* source =
        params.partials.get() + (row * params.splits + part.split) * kLatent + column;
    parts[i] = *reinterpret_cast<const float4*>(source);
  }
  const float own_factor = part_factor(params, head);
#pragma unroll
  for (int i = 0; i < kHalfParts; ++i) {
    const float factor = __shfl_sync(kAllLanes, own_factor, half * kHalfParts + i);
    float4& part = parts[i];
    part = factor == 0 ? float4{}
                       : float4{part.x * factor, part.y * factor, part.z * factor, part.w * factor};
  }
  // The parts of one token lie side by side.
#pragma unroll
  for (int distance = 1; distance < kHalfParts; distance *= 2) {
    if (distance >= params.splits) break;
#pragma unroll
    for (int i = 0; i < kHalfParts; i += 2 * distance) add(parts[i], parts[i + distance]);
  }
  if (params.splits == kMostParts) {
    add(parts[0],
        {__shfl_xor_sync(kAllLanes, parts[0].x, 16), __shfl_xor_sync(kAllLanes, parts[0].y, 16),
         __shfl_xor_sync(kAllLanes, parts[0].z, 16), __shfl_xor_sync(kAllLanes, parts[0].w, 16)});
  }
#pragma unroll
  for (int i = 0; i < kHalfParts; ++i) {
    const Part part = part_of(half * kHalfParts + i, params.splits);
    if (part.split != 0 || part.token >= params.tokens) continue;
    *reinterpret_cast<uint2*>(&latents[part.token][lane % 16 * 4]) =
        make_uint2(ops::pack_pair<DType::kBFloat16>(parts[i].x, parts[i].y),
                   ops::pack_pair<DType::kBFloat16>(parts[i].z, parts[i].w));
  }
  __syncwarp();
}

// One warp's products with the tokens of tile `token_tile`, to shared memory as [row][token].
__device__ __forceinline__ void multiply(const WeightChunk& weights,
                                         const __nv_bfloat16 (&latents)[kMaxRows][kWarpColumns],
                                         int tokens, int token_tile, float* sums) {
  const int lane = threadIdx.x % 32;
  const int token = token_tile * 8 + lane / 4;
  uint4 columns[2] = {};
  if (token < tokens) {
    const auto* source = reinterpret_cast<const uint4*>(&latents[token][lane % 4 * kChunkColumns]);
    columns[0] = source[0];
    columns[1] = source[1];
  }
  ChunkSums products = {};
  weights.multiply(columns, products);
  float* target = sums + lane / 4 * kMaxRows + token_tile * 8 + lane % 4 * 2;
  *reinterpret_cast<float2*>(target) = {products[0], products[1]};
  *reinterpret_cast<float2*>(target + 8 * kMaxRows) = {products[2], products[3]};
}

}  // namespace values

__global__ void __launch_bounds__(values::kWarps * 32)
    values_kernel(const __grid_constant__ ValuesParams params) {
  using namespace values;
  __shared__ __align__(16) Shared shared;
  [[maybe_unused]] const LaunchScope scope{};
  pdl::trigger();
  const int tile = static_cast<int>(blockIdx.x);
  const int warp = threadIdx.x / 32;
  const int head = tile * kTileRows / (params.w_uv.rows / params.heads);
  WeightChunk weights;
  weights.load(params.w_uv, tile, warp);

  pdl::wait();
  combine(params, head, warp, shared.latents[warp]);
  for (int token_tile = 0; token_tile * 8 < params.tokens; ++token_tile) {
    multiply(weights, shared.latents[warp], params.tokens, token_tile, shared.sums[warp]);
  }
  __syncthreads();
  const int row = threadIdx.x / kMaxRows;
  const int token = threadIdx.x % kMaxRows;
  if (token >= params.tokens) return;
  float sum = 0;
#pragma unroll
  for (const auto& sums : shared.sums) sum += sums[threadIdx.x];
  params.output.get()[std::int64_t{token} * params.w_uv.rows + tile * kTileRows + row] =
      __float2bfloat16_rn(sum);
}

}  // namespace slipstream::engine::kernels
