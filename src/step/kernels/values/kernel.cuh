// Combination of attention's splits, and W_UV.
//
// A cluster owns 128 rows of one head. Each of its eight CTAs combines 64 of the 512 columns, so
// that every partial result is read once, and multiplies the rows by them; warp w has rows 16 w to
// 16 w + 15. CTA w adds what all eight have of these rows.
//
// PDL: weights before the wait; partial results and outputs after it.
#pragma once

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
inline constexpr int kColumnThreads = kSliceColumns / 4;
inline constexpr int kGroups = kThreads / kColumnThreads;

struct Shared {
  WeightChunk chunks[kWarps];
  // Groups of parts of a token: their largest exponent and sum, and their weighted sum.
  float2 weights[kGroups];
  float4 sums[kGroups][kColumnThreads];
  __nv_bfloat16 latents[kMaxRows][kSliceColumns];
  float2 products[kSlices][kTileRows][kMaxRows / 2];  // of this CTA's rows, by their sender
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

// The weighted sum of several parts: their largest exponent, the sum of their weights relative to
// it, and four columns.
struct Combined {
  float2 weight;
  float4 sum;
};

template <int kParts>
__device__ __forceinline__ Combined add_up(const float2 (&weights)[kParts],
                                           const float4 (&parts)[kParts]) {
  float largest = -INFINITY;
#pragma unroll
  for (const float2 weight : weights) largest = fmaxf(largest, weight.x);
  float total = 0;
  float4 sum = {};
#pragma unroll
  for (int i = 0; i < kParts; ++i) {
    const float factor = part_factor(weights[i], largest);
    total += factor * weights[i].y;
    add_weighted(sum, factor, parts[i]);
  }
  return {{largest, total}, sum};
}

// Adds up groups of kPartGroup parts of one token: thread t four columns of group t / 16, counted
// over all tokens.
template <int kPartGroup>
__device__ __forceinline__ void sum_parts(const ValuesParams& params, int head, int slice,
                                          Shared& shared) {
  const int group = threadIdx.x / kColumnThreads;
  const int own = threadIdx.x % kColumnThreads;
  const int token = group * kPartGroup / params.splits;
  if (token >= params.tokens) return;
  const int64_t part =
      (int64_t{token} * params.heads + head) * params.splits + group * kPartGroup % params.splits;
  const float* source =
      params.partials.get() + part * kLatent + chunk_column(slice, own / 4) + own % 4 * 4;
  float4 parts[kPartGroup];
#pragma unroll
  for (int i = 0; i < kPartGroup; ++i) {
    parts[i] = *reinterpret_cast<const float4*>(source + i * kLatent);
  }
  float2 weights[kPartGroup];
#pragma unroll
  for (int i = 0; i < kPartGroup; i += 2) {
    const float4 two = *reinterpret_cast<const float4*>(params.weights.get() + part + i);
    weights[i] = {two.x, two.y};
    weights[i + 1] = {two.z, two.w};
  }
  const Combined combined = add_up(weights, parts);
  shared.sums[group][own] = combined.sum;
  if (own == 0) shared.weights[group] = combined.weight;
}

// The slice's latents of each token, rounded: thread t four columns of token t / 16.
__device__ __forceinline__ void combine(const ValuesParams& params, int groups, Shared& shared) {
  const int token = threadIdx.x / kColumnThreads;
  const int own = threadIdx.x % kColumnThreads;
  if (token >= params.tokens) return;
  const int first = token * groups;
  // All loads at once: those of groups that the token does not have count for nothing.
  float2 weights[kGroups];
  float4 sums[kGroups];
#pragma unroll
  for (int i = 0; i < kGroups; ++i) {
    weights[i] = i < groups ? shared.weights[first + i] : float2{-INFINITY, 0};
    if (i < groups) sums[i] = shared.sums[first + i][own];
  }
  const Combined combined = add_up(weights, sums);
  const float total = combined.weight.y;
  const float4 sum = combined.sum;
  *reinterpret_cast<uint2*>(&shared.latents[token][own * 4]) =
      make_uint2(cuda::pack_pair<DType::kBFloat16>(sum.x / total, sum.y / total),
                 cuda::pack_pair<DType::kBFloat16>(sum.z / total, sum.w / total));
}

// The warp's rows by the slice's columns, for eight tokens, sent to the CTA that adds them up.
__device__ __forceinline__ void multiply(int slice, int tokens, int first_token, Shared& shared) {
  const int lane = threadIdx.x % 32;
  const int token = first_token + lane / 4;
  uint4 columns[2] = {};
  if (token < tokens) {
    const auto* source =
        reinterpret_cast<const uint4*>(&shared.latents[token][lane % 4 * kChunkColumns]);
    columns[0] = source[0];
    columns[1] = source[1];
  }
  ChunkSums sums = {};
  shared.chunks[threadIdx.x / 32].multiply(columns, sums);
  const int pair = first_token / 2 + lane % 4;
  if (pair * 2 >= tokens) return;
  const int peer = static_cast<int>(threadIdx.x) / 32;
  cuda::store_to(shared.products[slice][lane / 4][pair], peer, {sums[0], sums[1]});
  cuda::store_to(shared.products[slice][lane / 4 + 8][pair], peer, {sums[2], sums[3]});
}

}  // namespace values

// CTA `slice` of the cluster that makes rows [rows * kClusterRows, + kClusterRows).
template <int kPartGroup, class Gate>
__device__ __forceinline__ void values_block(const ValuesParams& params, int slice, int rows,
                                             values::Shared& shared, Gate gate) {
  using namespace values;
  cuda::cluster_arrive();  // peers may write into this CTA's memory after their wait
  const int first_row = rows * kClusterRows;
  const int warp = threadIdx.x / 32;
  shared.chunks[warp].fetch(params.w_uv, first_row / kTileRows + warp, slice);
  cuda::commit_copies();

  gate.pass();
  sum_parts<kPartGroup>(params, first_row / (params.w_uv.rows / params.heads), slice, shared);
  __syncthreads();
  combine(params, params.splits / kPartGroup, shared);
  __syncthreads();
  cuda::wait_copies();
  cuda::cluster_wait();
  for (int first = 0; first < params.tokens; first += 8) {
    multiply(slice, params.tokens, first, shared);
  }
  cuda::cluster_sync();
  const int row = threadIdx.x / kMaxRows;
  const int token = threadIdx.x % kMaxRows;
  if (token >= params.tokens) return;
  float sum = 0;
#pragma unroll
  for (int peer = 0; peer < kSlices; ++peer) {
    const float2 pair = shared.products[peer][row][token / 2];
    sum += token % 2 == 0 ? pair.x : pair.y;
  }
  params.output.get()[int64_t{token} * params.w_uv.rows + first_row + slice * kTileRows + row] =
      __float2bfloat16_rn(sum);
}

template <int kPartGroup>
__global__ void __launch_bounds__(values::kThreads)
    values_kernel(const __grid_constant__ ValuesParams params) {
  __shared__ __align__(16) values::Shared shared;
  [[maybe_unused]] const LaunchScope scope{};
  values_block<kPartGroup>(params, this_cta().index, static_cast<int>(blockIdx.y), shared,
                           LaunchGate{});
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
