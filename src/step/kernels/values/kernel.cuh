// Combination of attention's splits, and W_UV.
//
// A cluster owns 128 rows of one head. Each of its eight CTAs combines 64 of the 512 columns, so
// that every partial result is read once: a warp eight of them, of all tokens, in registers. Then
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
inline constexpr int kTokensPerPass = 4;
static_assert(kSliceColumns == kWarps / 2 * kPartColumns && kPartColumns == kChunkColumns);

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

// How a warp's lanes share out the parts: neighbors have four columns each of the same parts. The
// warp takes up to four tokens at a time, so that 4 to 16 pairs of lanes, which read side by side,
// have every pairs-th part of a token.
struct PartLane {
  int quad;  // of the part's columns: two warps share a part
  int token;
  int first_part;
  int pairs;

  __device__ explicit PartLane(int tokens) {
    const int pair = static_cast<int>(threadIdx.x) % 32 / 2;
    const int shift = max(__clz(tokens - 1) - 28, 2);
    quad = static_cast<int>(threadIdx.x) / 32 % 2 * 2 + static_cast<int>(threadIdx.x) % 2;
    token = pair >> shift;
    pairs = 1 << shift;
    first_part = pair & (pairs - 1);
  }
};

// Up to kParts parts of a token, four columns of each.
template <int kParts>
class Parts {
 public:
  // `row`: which token's head.
  __device__ void load(const ValuesParams& params, int64_t row, int column, const PartLane& lane,
                       bool exist) {
    const float2* weights = params.weights.get() + row * params.splits;
    const float* columns =
        params.partials.get() + part_index(row, column, params.splits) + lane.quad * 4;
#pragma unroll
    for (int i = 0; i < kParts; ++i) {
      const int part = lane.first_part + i * lane.pairs;
      weights_[i] = {-INFINITY, 0};
      columns_[i] = {};
      if (!exist || part >= params.splits) continue;
      weights_[i] = weights[part];
      columns_[i] = *reinterpret_cast<const float4*>(columns + part * kPartColumns);
    }
  }

  // Their weighted mean over all lanes that have parts of the token.
  __device__ float4 mean(const PartLane& lane) const {
    float largest = -INFINITY;
#pragma unroll
    for (const float2 weight : weights_) largest = fmaxf(largest, weight.x);
    for (int distance = 2; distance <= lane.pairs; distance *= 2) {
      largest = fmaxf(largest, __shfl_xor_sync(kAllLanes, largest, distance));
    }
    float total = 0;
    float4 sum = {};
#pragma unroll
    for (int i = 0; i < kParts; ++i) {
      const float factor = weights_[i].y == 0 ? 0.0F : exp2f(weights_[i].x - largest);
      total += factor * weights_[i].y;
      add_weighted(sum, factor, columns_[i]);
    }
    for (int distance = 2; distance <= lane.pairs; distance *= 2) {
      total += __shfl_xor_sync(kAllLanes, total, distance);
      sum.x += __shfl_xor_sync(kAllLanes, sum.x, distance);
      sum.y += __shfl_xor_sync(kAllLanes, sum.y, distance);
      sum.z += __shfl_xor_sync(kAllLanes, sum.z, distance);
      sum.w += __shfl_xor_sync(kAllLanes, sum.w, distance);
    }
    const float factor = 1 / total;
    return {sum.x * factor, sum.y * factor, sum.z * factor, sum.w * factor};
  }

 private:
  // A part with factor 0 has no keys and has not been written.
  static __device__ void add_weighted(float4& sum, float factor, float4 values) {
    sum.x += factor == 0 ? 0.0F : factor * values.x;
    sum.y += factor == 0 ? 0.0F : factor * values.y;
    sum.z += factor == 0 ? 0.0F : factor * values.z;
    sum.w += factor == 0 ? 0.0F : factor * values.w;
  }

  float2 weights_[kParts];
  float4 columns_[kParts];
};

// The latents of the warp's columns, rounded, to shared memory.
template <int kPasses, int kParts>
__device__ __forceinline__ void combine(const ValuesParams& params, int head, int slice,
                                        Shared& shared) {
  const int chunk = static_cast<int>(threadIdx.x) / 64;
  const PartLane lane(params.tokens);
  const int column = chunk_column(slice, chunk);
  Parts<kParts> parts[kPasses];
#pragma unroll
  for (int pass = 0; pass < kPasses; ++pass) {
    const int token = pass * kTokensPerPass + lane.token;
    parts[pass].load(params, int64_t{token} * params.heads + head, column, lane,
                     token < params.tokens);
  }
#pragma unroll
  for (int pass = 0; pass < kPasses; ++pass) {
    const int token = pass * kTokensPerPass + lane.token;
    const float4 mean = parts[pass].mean(lane);
    if (lane.first_part != 0 || token >= params.tokens) continue;
    auto* pairs =
        reinterpret_cast<uint32_t*>(&shared.latents[token][chunk * kPartColumns]) + lane.quad;
    pairs[0] = cuda::pack_pair<DType::kBFloat16>(mean.x, mean.y);
    pairs[4] = cuda::pack_pair<DType::kBFloat16>(mean.z, mean.w);
  }
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
template <int kPasses, int kParts, class Gate>
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
  combine<kPasses, kParts>(params, head, slice, shared);
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

template <int kPasses, int kParts>
__global__ void __launch_bounds__(values::kThreads)
    values_kernel(const __grid_constant__ ValuesParams params) {
  __shared__ __align__(16) values::Shared shared;
  [[maybe_unused]] const LaunchScope scope{};
  values_block<kPasses, kParts>(params, this_cta().index, static_cast<int>(blockIdx.y), shared,
                                LaunchGate{});
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
