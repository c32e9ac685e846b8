// Matrix product of a weight matrix of few rows (a router) with 1 to 16 tokens: bound by latency.
//
// Data flow. A cluster owns one 16-row tile of the weights; its CTAs split the columns. In each CTA
// one warp copies the rows' pieces to shared memory by bulk copies (they do not occupy the
// load/store unit, where the critical loads of this and of neighboring kernels queue), and eight
// warps multiply, each its own columns. The tensor core wants pairs of columns in an order of its
// own; since a dot product does not care, a lane simply takes 8 neighboring columns (16 bytes) of
// its row, and the activations are loaded in the same order straight into registers. Weights are
// the "M" operand (16 rows), tokens the "N" operand (8 each). Every warp ends with partial sums of
// all rows; it sends them to the CTA of the cluster that owns the row through distributed shared
// memory, where an mbarrier counts the bytes. The owner adds the partials in a fixed order, so the
// result is the same bits in every run, and rounds once.
//
// PDL contract. Before the wait: weights (constant) into registers, barrier set-up. After it:
// activations, output. The warp that copies the weights touches nothing else and never waits. The
// trigger comes first, so that the next kernel's weights stream while this one waits and multiplies.
#pragma once

#include <cuda_bf16.h>

#include "cuda/cluster.cuh"
#include "cuda/shared_memory.cuh"
#include "ops/skinny_gemm/multiply_add.cuh"
#include "ops/skinny_gemm/params.h"
#include "ops/support/variant.cuh"

namespace slipstream::ops {
inline namespace SLIPSTREAM_VARIANT {
namespace skinny_gemm {

inline constexpr int kChunkColumns = SkinnyGemmConfig::kChunkColumns;

struct Shared {
  uint64_t weights_arrived;
  uint64_t partials_arrived;
};

// The part of the matrix that one CTA multiplies.
struct Slice {
  int first_row;
  int first_column;
  int columns;

  template <SkinnyGemmConfig kConfig>
  static __device__ Slice of_this_cta(const SkinnyGemmParams& params) {
    const int rank = cuda::cluster_rank();
    const int chunks = params.columns / kChunkColumns;
    const int first = chunks * rank / kConfig.cluster_ctas;
    const int end = chunks * (rank + 1) / kConfig.cluster_ctas;
    return {static_cast<int>(blockIdx.x) / kConfig.cluster_ctas * kConfig.kRows,
            first * kChunkColumns, (end - first) * kChunkColumns};
  }
};

// The copying warp: lane l copies row l. Rows beyond the matrix repeat the last one: their sums are
// never stored. A CTA may have no columns, and then nothing arrives.
template <SkinnyGemmConfig kConfig>
__device__ __forceinline__ void copy_weights(const SkinnyGemmParams& params, const Slice& slice,
                                             unsigned char* weights, Shared& shared) {
  const int lane = threadIdx.x % 32;
  if (slice.columns == 0) return;
  const int bytes = slice.columns * 2;
  if (lane == 0) cuda::expect_bytes(&shared.weights_arrived, bytes * kConfig.kRows);
  __syncwarp();
  if (lane >= kConfig.kRows) return;
  const int64_t row = min(slice.first_row + lane, params.rows - 1);
  cuda::copy_bulk(weights + lane * kConfig.row_bytes(),
                  params.weights.get() + row * params.weight_stride + slice.first_column, bytes,
                  &shared.weights_arrived, cuda::evict_first_policy());
}

// A warp's chunks of weights as a lane feeds them to the tensor core: rows l / 4 and l / 4 + 8.
template <SkinnyGemmConfig kConfig>
using Weights = uint4[kConfig.warp_chunks()][2];

template <SkinnyGemmConfig kConfig>
__device__ __forceinline__ void read_weights(const unsigned char* slice, int chunks,
                                             Weights<kConfig>& weights, Shared& shared) {
  const int warp = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  const uint32_t address = cuda::shared_address(slice) + lane / 4 * kConfig.row_bytes() +
                           warp * kChunkColumns * 2 + lane % 4 * 16;
  if (warp < chunks) cuda::wait_barrier(&shared.weights_arrived, 0);
#pragma unroll
  for (int i = 0; i < kConfig.warp_chunks(); ++i) {
    if (warp + i * kConfig.warps >= chunks) break;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      weights[i][half] = cuda::load_shared_16(address + i * kConfig.warps * kChunkColumns * 2 +
                                              half * 8 * kConfig.row_bytes());
    }
  }
}

// The activations that go with them: of token l / 4 of each tile columns 8 * (l % 4) to + 7 of the
// chunk, zero beyond the last token and chunk.
template <SkinnyGemmConfig kConfig>
using Activations = uint4[kConfig.warp_chunks()][kConfig.token_tiles];

template <SkinnyGemmConfig kConfig>
__device__ __forceinline__ void load_activations(const SkinnyGemmParams& params, const Slice& slice,
                                                 int chunks, Activations<kConfig>& x) {
  const int warp = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int i = 0; i < kConfig.warp_chunks(); ++i) {
    const int chunk = warp + i * kConfig.warps;
#pragma unroll
    for (int tile = 0; tile < kConfig.token_tiles; ++tile) {
      const int token = tile * 8 + lane / 4;
      const __nv_bfloat16* source = params.activations.get() + token * params.activation_stride +
                                    slice.first_column + chunk * kChunkColumns + lane % 4 * 8;
      x[i][tile] = token < params.tokens && chunk < chunks ? *reinterpret_cast<const uint4*>(source)
                                                           : make_uint4(0, 0, 0, 0);
    }
  }
}

// A warp's sums, in two sets for the two halves of a chunk, so that fewer multiplications wait for
// each other.
template <SkinnyGemmConfig kConfig>
using Sums = float[2][kConfig.token_tiles][4];

// A multiplying warp: the weights are in registers before the wait.
template <SkinnyGemmConfig kConfig>
__device__ __forceinline__ void multiply(const SkinnyGemmParams& params, const Slice& slice,
                                         const unsigned char* weights_of_slice, Shared& shared,
                                         Sums<kConfig>& sums) {
  const int warp = threadIdx.x / 32;
  const int chunks = slice.columns / kChunkColumns;
  Weights<kConfig> weights;
  read_weights<kConfig>(weights_of_slice, chunks, weights, shared);
  pdl::wait();
  Activations<kConfig> x;
  load_activations<kConfig>(params, slice, chunks, x);
#pragma unroll
  for (int i = 0; i < kConfig.warp_chunks(); ++i) {
    if (warp + i * kConfig.warps >= chunks) break;
    const auto& [low, high] = weights[i];
#pragma unroll
    for (int t = 0; t < kConfig.token_tiles; ++t) {
      multiply_add(sums[0][t], low.x, high.x, low.y, high.y, x[i][t].x, x[i][t].y);
      multiply_add(sums[1][t], low.z, high.z, low.w, high.w, x[i][t].z, x[i][t].w);
    }
  }
}

// Sends the warp's sums to the owners of the rows. Lanes swap halves first, so that each holds four
// tokens of one row and sends 16 bytes. Tokens beyond the last, in groups of four, stay home.
template <SkinnyGemmConfig kConfig>
__device__ __forceinline__ void send_partials(const SkinnyGemmParams& params,
                                              const Sums<kConfig>& sums, float* partials,
                                              uint64_t* arrived) {
  const int lane = threadIdx.x % 32;
  const bool odd = lane % 2 == 1;
  const int partial = cuda::cluster_rank() * kConfig.warps + threadIdx.x / 32;
  const int row = lane / 4 + (odd ? 8 : 0);
  const int owner = row / kConfig.owned_rows();
#pragma unroll
  for (int t = 0; t < kConfig.token_tiles; ++t) {
    float sum[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) sum[i] = sums[0][t][i] + sums[1][t][i];
    const float theirs0 = __shfl_xor_sync(~0U, odd ? sum[0] : sum[2], 1);
    const float theirs1 = __shfl_xor_sync(~0U, odd ? sum[1] : sum[3], 1);
    const float4 quad = odd ? make_float4(theirs0, theirs1, sum[2], sum[3])
                            : make_float4(sum[0], sum[1], theirs0, theirs1);
    const int token = t * 8 + (lane % 4) / 2 * 4;
    if (token >= params.tokens) continue;
    float* target = partials + partial * kConfig.partial_stride() +
                    row % kConfig.owned_rows() * kConfig.tokens() + token;
    cuda::store_async_16(cuda::remote_address(target, owner), quad,
                         cuda::remote_address(arrived, owner));
  }
}

// Adds the partials of the CTA's own rows, always in the same order, and stores the result.
template <SkinnyGemmConfig kConfig>
__device__ __forceinline__ void finish_rows(const SkinnyGemmParams& params, int first_row,
                                            const float* partials) {
  constexpr int kThreads = kConfig.warps * 32;
  constexpr int kOutputs = kConfig.owned_rows() * kConfig.tokens();
  constexpr int kLanes = kThreads > kOutputs ? kThreads / kOutputs : 1;  // per output
  const int lane = threadIdx.x % kLanes;
#pragma unroll
  for (int output = threadIdx.x / kLanes; output < kOutputs; output += kThreads / kLanes) {
    const int row = first_row + output / kConfig.tokens();
    const int token = output % kConfig.tokens();
    float sum = 0;
    // Nobody has sent anything for tokens that do not exist.
    if (token < params.tokens) {
#pragma unroll
      for (int i = lane; i < kConfig.partials(); i += kLanes) {
        sum += partials[i * kConfig.partial_stride() + output];
      }
    }
#pragma unroll
    for (int distance = kLanes / 2; distance > 0; distance /= 2) {
      sum += __shfl_xor_sync(~0U, sum, distance);
    }
    if (lane != 0 || token >= params.tokens || row >= params.rows) continue;
    store_output(params, token, row, sum);
  }
}

// Makes the barriers. Only the copying warp uses them before the cluster has met, and it makes them
// itself.
template <SkinnyGemmConfig kConfig>
__device__ __forceinline__ void initialize(const SkinnyGemmParams& params, Shared& shared) {
  cuda::initialize_barrier(&shared.weights_arrived, 1);
  cuda::initialize_barrier(&shared.partials_arrived, 1);
  cuda::publish_barriers();
  const int token_groups = (params.tokens + 3) / 4;
  cuda::expect_bytes(&shared.partials_arrived,
                     kConfig.partials() * kConfig.owned_rows() * token_groups * 16);
}

}  // namespace skinny_gemm

// Shape is a type with a static `kConfig`: nvcc cannot name a kernel whose template argument is
// itself a struct.
template <class Shape>
__global__ void __launch_bounds__(Shape::kConfig.threads(), 2)
    skinny_gemm_kernel(const __grid_constant__ SkinnyGemmParams params) {
  [[maybe_unused]] const LaunchScope scope{};
  using namespace skinny_gemm;
  constexpr SkinnyGemmConfig kConfig = Shape::kConfig;
  extern __shared__ __align__(128) unsigned char weights[];
  __shared__ Shared shared;
  float* partials = reinterpret_cast<float*>(weights + kConfig.weight_bytes());

  pdl::trigger();
  const Slice slice = Slice::of_this_cta<kConfig>(params);
  const bool copies = threadIdx.x / 32 == kConfig.warps;
  if (copies && threadIdx.x % 32 == 0) initialize<kConfig>(params, shared);
  // This CTA's barriers are made: its own warps may use them, its peers once all have arrived.
  cuda::cluster_arrive();
  __syncthreads();
  if (copies) {
    copy_weights<kConfig>(params, slice, weights, shared);
    __syncwarp();
    cuda::cluster_wait();
    return;
  }
  cuda::cluster_wait();
  Sums<kConfig> sums = {};
  multiply<kConfig>(params, slice, weights, shared, sums);
  send_partials<kConfig>(params, sums, partials, &shared.partials_arrived);
  cuda::wait_barrier(&shared.partials_arrived, 0);
  finish_rows<kConfig>(params, slice.first_row + cuda::cluster_rank() * kConfig.owned_rows(),
                       partials);
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::ops
