// Combination of attention's splits, and W_UV.
//
// A cluster owns 128 rows of one head. Each of its eight CTAs combines 64 of the 512 columns, so
// that every partial result is read once: warp w eight of them, of all tokens, in registers. Then
// warp w multiplies rows 16 w to 16 w + 15 by all 64 and sends CTA w what comes out; CTA w adds up
// what all eight have of these rows.
//
// PDL: weights before the wait; partial results and outputs after it.
#pragma once

#include "cuda/cluster.cuh"
#include "cuda/peers.cuh"
#include "step/kernels/attend/params.h"
#include "step/kernels/support/lanes.cuh"
#include "step/kernels/support/variant.cuh"
#include "step/kernels/support/weight_chunk.cuh"
#include "step/kernels/values/params.h"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace values {

inline constexpr int kSliceColumns = 4 * kChunkColumns;
inline constexpr int kSlices = kLatent / kSliceColumns;
inline constexpr int kWarps = kSlices;
inline constexpr int kThreads = kWarps * 32;
inline constexpr int kClusterRows = kWarps * kTileRows;
inline constexpr int kTokenTiles = kMaxRows / 8;  // of a product
static_assert(kSliceColumns == kWarps * kPartColumns && kPartColumns == 2 * 4);

struct Shared {
  WeightChunk chunks[kWarps];
  __nv_bfloat16 latents[kMaxRows][kSliceColumns];
  float4 sums[kSlices][kTokenTiles][32];  // of this CTA's rows, by their sender and its lane
  uint64_t sums_arrived;
};

// What the cluster sends to each CTA: eight lanes have rows of a pair of tokens.
__device__ __forceinline__ uint32_t bytes_to_come(int tokens) {
  return (tokens + 1) / 2 * kSlices * 8 * sizeof(float4);
}

// How a warp's lanes share out the parts: neighbors have four columns each of the same parts, and
// `lanes` pairs every lanes-th part of a token. All 16 tokens fit, one pair of lanes each.
struct PartLane {
  int token;
  int first_part;
  int lanes;

  __device__ explicit PartLane(int tokens) {
    const int pair = static_cast<int>(threadIdx.x) % 32 / 2;
    const int shift = __clz(tokens - 1) - 28;  // 16 pairs to as many tokens, rounded up to 2^n
    token = pair >> shift;
    lanes = 1 << shift;
    first_part = pair & (lanes - 1);
  }
};

// A part with factor 0 has no keys and has not been written.
__device__ __forceinline__ void add_weighted(float4& sum, float factor, float4 values) {
  sum.x += factor == 0 ? 0.0F : factor * values.x;
  sum.y += factor == 0 ? 0.0F : factor * values.y;
  sum.z += factor == 0 ? 0.0F : factor * values.z;
  sum.w += factor == 0 ? 0.0F : factor * values.w;
}

// Factor of a part relative to a maximum.
__device__ __forceinline__ float part_factor(float2 weight, float largest) {
  return weight.y == 0 ? 0.0F : exp2f(weight.x - largest);
}

// The latents of the warp's eight columns, rounded, to shared memory. A lane has up to kParts
// parts.
template <int kParts>
__device__ __forceinline__ void combine(const ValuesParams& params, int head, int slice,
                                        Shared& shared) {
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int half = static_cast<int>(threadIdx.x) % 2;
  const PartLane lane(params.tokens);
  const int64_t row = int64_t{lane.token} * params.heads + head;
  const int column = chunk_column(slice, warp / 2) + warp % 2 * kPartColumns;
  const float* source = params.partials.get() + part_index(row, column, params.splits) + half * 4;
  const float2* part_weights = params.weights.get() + row * params.splits;
  const int parts_left = lane.token < params.tokens ? params.splits - lane.first_part : 0;
  float2 weights[kParts];
  float4 parts[kParts];
#pragma unroll
  for (int i = 0; i < kParts; ++i) {
    weights[i] = {-INFINITY, 0};
    parts[i] = {};
    if (i * lane.lanes >= parts_left) continue;
    const int part = lane.first_part + i * lane.lanes;
    weights[i] = part_weights[part];
    parts[i] = *reinterpret_cast<const float4*>(source + part * kPartColumns);
  }
  float largest = -INFINITY;
#pragma unroll
  for (const float2 weight : weights) largest = fmaxf(largest, weight.x);
  for (int distance = 2; distance <= lane.lanes; distance *= 2) {
    largest = fmaxf(largest, __shfl_xor_sync(kAllLanes, largest, distance));
  }
  float total = 0;
  float4 sum = {};
#pragma unroll
  for (int i = 0; i < kParts; ++i) {
    const float factor = part_factor(weights[i], largest);
    total += factor * weights[i].y;
    add_weighted(sum, factor, parts[i]);
  }
  for (int distance = 2; distance <= lane.lanes; distance *= 2) {
    total += __shfl_xor_sync(kAllLanes, total, distance);
    sum.x += __shfl_xor_sync(kAllLanes, sum.x, distance);
    sum.y += __shfl_xor_sync(kAllLanes, sum.y, distance);
    sum.z += __shfl_xor_sync(kAllLanes, sum.z, distance);
    sum.w += __shfl_xor_sync(kAllLanes, sum.w, distance);
  }
  if (lane.first_part != 0 || lane.token >= params.tokens) return;
  const float factor = 1 / total;
  *reinterpret_cast<uint2*>(&shared.latents[lane.token][warp * kPartColumns + half * 4]) =
      make_uint2(cuda::pack_pair<DType::kBFloat16>(sum.x * factor, sum.y * factor),
                 cuda::pack_pair<DType::kBFloat16>(sum.z * factor, sum.w * factor));
}

// The warp's rows by the slice's columns, for eight tokens, sent to the CTA that adds them up.
__device__ __forceinline__ void multiply(int slice, int tokens, int tile, Shared& shared) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int token = tile * 8 + lane / 4;
  uint4 columns[2] = {};
  if (token < tokens) {
    const auto* source =
        reinterpret_cast<const uint4*>(&shared.latents[token][lane % 4 * kChunkColumns]);
    columns[0] = source[0];
    columns[1] = source[1];
  }
  ChunkSums sums = {};
  shared.chunks[threadIdx.x / 32].multiply(columns, sums);
  if (tile * 8 + lane % 4 * 2 >= tokens) return;
  const int peer = static_cast<int>(threadIdx.x) / 32;
  cuda::store_async_16(cuda::remote_address(&shared.sums[slice][tile][lane], peer),
                       {sums[0], sums[1], sums[2], sums[3]},
                       cuda::remote_address(&shared.sums_arrived, peer));
}

// Of a row of this CTA.
__device__ __forceinline__ float add_up(int row, int token, const Shared& shared) {
  const int lane = row % 8 * 4 + token % 8 / 2;
  float sum = 0;
#pragma unroll
  for (const auto& slice : shared.sums) {
    sum += reinterpret_cast<const float*>(&slice[token / 8][lane])[row / 8 * 2 + token % 2];
  }
  return sum;
}

}  // namespace values

// CTA `slice` of the cluster that makes rows [rows * kClusterRows, + kClusterRows).
template <int kParts, class Gate>
__device__ __forceinline__ void values_block(const ValuesParams& params, int slice, int rows,
                                             values::Shared& shared, Gate gate) {
  using namespace values;
  if (threadIdx.x == 0) {
    cuda::initialize_barrier(&shared.sums_arrived, 1);
    cuda::publish_barriers();
    cuda::expect_bytes(&shared.sums_arrived, bytes_to_come(params.tokens));
  }
  // Before the copies: releasing them would mean to wait for them.
  cuda::cluster_arrive_relaxed();
  const int first_row = rows * kClusterRows;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  shared.chunks[warp].fetch(params.w_uv, first_row / kTileRows + warp, slice);
  cuda::commit_copies();
  const int head = first_row / (params.w_uv.rows / params.heads);
  cuda::cluster_wait();

  gate.pass();
  combine<kParts>(params, head, slice, shared);
  cuda::wait_copies();
  __syncthreads();
  for (int tile = 0; tile * 8 < params.tokens; ++tile) {
    // slipstream-check: allow R14: no CTA ends before all that is sent to it has arrived
    multiply(slice, params.tokens, tile, shared);
  }
  const int row = static_cast<int>(threadIdx.x) % kTileRows;
  const int token = static_cast<int>(threadIdx.x) / kTileRows;
  cuda::wait_barrier(&shared.sums_arrived, 0);
  if (token >= params.tokens) return;
  params.output.get()[int64_t{token} * params.w_uv.rows + first_row + slice * kTileRows + row] =
      __float2bfloat16_rn(add_up(row, token, shared));
}

template <int kParts>
__global__ void __launch_bounds__(values::kThreads)
    values_kernel(const __grid_constant__ ValuesParams params) {
  __shared__ __align__(16) values::Shared shared;
  [[maybe_unused]] const LaunchScope scope{};
  values_block<kParts>(params, this_cta().index, static_cast<int>(blockIdx.y), shared,
                       LaunchGate{});
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
