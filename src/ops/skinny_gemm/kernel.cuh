// Matrix product of a weight matrix with 1 to 16 tokens, for decode: bound by the bytes of the
// weights and by latency.
//
// Data flow. A cluster owns a few 16-row tiles of the weights; its CTAs split the columns. In each
// CTA one warp streams row segments of the weights into a ring in shared memory by bulk copies
// (they do not occupy the load/store unit, where the critical loads of this and of neighboring
// kernels queue), and eight warps multiply, each its own columns of every stage. The tensor core
// wants pairs of columns in an order of its own; since a dot product does not care, a lane simply
// takes 8 neighboring columns (16 bytes) of its row, and the activations are loaded in the same
// order straight into registers, a few chunks ahead. Weights are the "M" operand (16 rows), tokens
// the "N" operand (8 each). Every warp ends with partial sums of all rows; it sends them to the CTA
// of the cluster that owns the row through distributed shared memory, where an mbarrier counts the
// bytes. The owner adds the partials in a fixed order, so the result is the same bits in every run,
// and rounds once.
//
// PDL contract. Before the wait: weights (constant), barrier set-up. After it: activations, output.
// The warp that streams the weights touches nothing else and never waits. The trigger comes first,
// so that the next kernel's weights stream while this one waits and multiplies.
#pragma once

#include <cuda_bf16.h>

#include "cuda/cluster.cuh"
#include "cuda/shared_memory.cuh"
#include "ops/skinny_gemm/params.h"
#include "ops/support/variant.cuh"

namespace slipstream::ops {
inline namespace SLIPSTREAM_VARIANT {
namespace skinny_gemm {

// d += a * b for a 16 x 16 bf16 tile of weights and a 16 x 8 tile of activations.
__device__ __forceinline__ void multiply_add(float (&d)[4], uint32_t a0, uint32_t a1, uint32_t a2,
                                             uint32_t a3, uint32_t b0, uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

template <SkinnyGemmConfig kConfig>
struct Shared {
  uint64_t full[kConfig.stages];   // the stage's weights have arrived
  uint64_t empty[kConfig.stages];  // all warps have read the stage
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
    const int chunks = params.columns / SkinnyGemmConfig::kChunkColumns;
    const int first = chunks * rank / kConfig.cluster_ctas;
    const int end = chunks * (rank + 1) / kConfig.cluster_ctas;
    return {static_cast<int>(blockIdx.x) / kConfig.cluster_ctas * kConfig.cluster_rows(),
            first * SkinnyGemmConfig::kChunkColumns,
            (end - first) * SkinnyGemmConfig::kChunkColumns};
  }
};

// The streaming warp: lane l copies rows l, l + 32, ... of each stage. Rows beyond the matrix
// repeat the last one: their sums are never stored.
template <SkinnyGemmConfig kConfig>
__device__ __forceinline__ void stream_weights(const SkinnyGemmParams& params, const Slice& slice,
                                               unsigned char* ring, Shared<kConfig>& shared) {
  const int lane = threadIdx.x % 32;
  const uint64_t policy = cuda::evict_first_policy();
  int stage = 0;
  uint32_t round = 0;
  for (int column = 0; column < slice.columns; column += kConfig.stage_columns) {
    const int bytes = min(kConfig.stage_columns, slice.columns - column) * 2;
    if (round > 0) cuda::wait_barrier(&shared.empty[stage], (round - 1) % 2);
    if (lane == 0) cuda::expect_bytes(&shared.full[stage], bytes * kConfig.cluster_rows());
    __syncwarp();
    for (int row = lane; row < kConfig.cluster_rows(); row += 32) {
      const int64_t source_row = min(slice.first_row + row, params.rows - 1);
      cuda::copy_bulk(
          ring + stage * kConfig.stage_bytes() + row * kConfig.row_bytes(),
          params.weights.get() + source_row * params.weight_stride + slice.first_column + column,
          bytes, &shared.full[stage], policy);
    }
    if (++stage == kConfig.stages) {
      stage = 0;
      ++round;
    }
  }
}

// One warp's chunks of activations, in the order of the weights, look_ahead chunks on the way at
// any time. Lane l loads token l / 4 of each tile, columns 8 * (l % 4) to + 7 of the chunk; zero
// beyond the last token and chunk.
template <SkinnyGemmConfig kConfig>
class Activations {
 public:
  __device__ Activations(const SkinnyGemmParams& params, const Slice& slice, int warp)
      : next_(warp), end_(slice.columns / SkinnyGemmConfig::kChunkColumns) {
    const int lane = threadIdx.x % 32;
#pragma unroll
    for (int tile = 0; tile < kConfig.token_tiles; ++tile) {
      const int token = tile * 8 + lane / 4;
      inside_[tile] = token < params.tokens;
      source_[tile] = params.activations.get() + token * params.activation_stride +
                      slice.first_column + lane % 4 * 8;
    }
#pragma unroll
    for (int slot = 0; slot < kConfig.look_ahead; ++slot) load_next(slot);
  }

  __device__ const uint4& operator()(int slot, int tile) const { return x_[slot][tile]; }

  __device__ void load_next(int slot) {
#pragma unroll
    for (int tile = 0; tile < kConfig.token_tiles; ++tile) {
      x_[slot][tile] = inside_[tile] && next_ < end_
                           ? *reinterpret_cast<const uint4*>(
                                 source_[tile] + next_ * SkinnyGemmConfig::kChunkColumns)
                           : make_uint4(0, 0, 0, 0);
    }
    next_ += kConfig.warps;
  }

 private:
  uint4 x_[kConfig.look_ahead][kConfig.token_tiles];
  const __nv_bfloat16* source_[kConfig.token_tiles];
  bool inside_[kConfig.token_tiles];
  int next_;
  int end_;
};

// A warp's sums; where there is one row tile, in two sets for the two halves of a chunk, so that
// fewer multiplications wait for each other.
template <SkinnyGemmConfig kConfig>
inline constexpr int kSumSets = kConfig.row_tiles == 1 ? 2 : 1;
template <SkinnyGemmConfig kConfig>
using Sums = float[kSumSets<kConfig>][kConfig.row_tiles][kConfig.token_tiles][4];

// One chunk of weights as a lane feeds it to the tensor core: rows g and g + 8 of every tile.
template <SkinnyGemmConfig kConfig>
using ChunkWeights = uint4[kConfig.row_tiles * 2];

// `address` is where the lane's 16 bytes of the chunk's first row lie.
template <SkinnyGemmConfig kConfig>
__device__ __forceinline__ void read_chunk(uint32_t address, ChunkWeights<kConfig>& weights) {
#pragma unroll
  for (int piece = 0; piece < kConfig.row_tiles * 2; ++piece) {
    weights[piece] = cuda::load_shared_16(address + piece * 8 * kConfig.row_bytes());
  }
}

template <SkinnyGemmConfig kConfig>
__device__ __forceinline__ void multiply_chunk(const ChunkWeights<kConfig>& weights,
                                               const Activations<kConfig>& x, int slot,
                                               Sums<kConfig>& sums) {
#pragma unroll
  for (int tile = 0; tile < kConfig.row_tiles; ++tile) {
    const uint4& low = weights[tile * 2];
    const uint4& high = weights[tile * 2 + 1];
#pragma unroll
    for (int t = 0; t < kConfig.token_tiles; ++t) {
      const uint4& b = x(slot, t);
      multiply_add(sums[0][tile][t], low.x, high.x, low.y, high.y, b.x, b.y);
      multiply_add(sums[kSumSets<kConfig> - 1][tile][t], low.z, high.z, low.w, high.w, b.z, b.w);
    }
  }
}

// Where the lane's 16 bytes of the warp's first chunk lie in stage 0.
template <SkinnyGemmConfig kConfig>
__device__ __forceinline__ uint32_t lane_address(const unsigned char* ring) {
  const int warp = threadIdx.x / 32;
  const int lane = threadIdx.x % 32;
  return cuda::shared_address(ring) + lane / 4 * kConfig.row_bytes() + warp * 64 + lane % 4 * 16;
}

// A multiplying warp where the slice is one stage: the weights are in registers before the wait.
template <SkinnyGemmConfig kConfig>
__device__ __forceinline__ void multiply_resident(const SkinnyGemmParams& params,
                                                  const Slice& slice, const unsigned char* ring,
                                                  Shared<kConfig>& shared, Sums<kConfig>& sums) {
  constexpr int kChunks = kConfig.warp_chunks();
  const int warp = threadIdx.x / 32;
  const int chunks = slice.columns / SkinnyGemmConfig::kChunkColumns;
  ChunkWeights<kConfig> weights[kChunks];
  // A CTA may have no columns, and then nothing arrives.
  if (warp < chunks) cuda::wait_barrier(&shared.full[0], 0);
#pragma unroll
  for (int slot = 0; slot < kChunks; ++slot) {
    if (warp + slot * kConfig.warps >= chunks) break;
    read_chunk<kConfig>(lane_address<kConfig>(ring) + slot * kConfig.warps * 64, weights[slot]);
  }
  pdl::wait();
  const Activations<kConfig> x(params, slice, warp);
#pragma unroll
  for (int slot = 0; slot < kChunks; ++slot) {
    if (warp + slot * kConfig.warps >= chunks) break;
    multiply_chunk<kConfig>(weights[slot], x, slot, sums);
  }
}

// A multiplying warp: its chunks of every stage.
template <SkinnyGemmConfig kConfig>
__device__ __forceinline__ void multiply_stages(const SkinnyGemmParams& params, const Slice& slice,
                                                const unsigned char* ring, Shared<kConfig>& shared,
                                                Sums<kConfig>& sums) {
  const int warp = threadIdx.x / 32;
  const int chunks = slice.columns / SkinnyGemmConfig::kChunkColumns;
  pdl::wait();
  Activations<kConfig> x(params, slice, warp);
  int stage = 0;
  uint32_t parity = 0;
  int chunk_in_stage = 0;
  for (int first = warp; first < chunks; first += kConfig.warps * kConfig.look_ahead) {
#pragma unroll
    for (int slot = 0; slot < kConfig.look_ahead; ++slot) {
      if (first + slot * kConfig.warps >= chunks) break;
      if (chunk_in_stage == 0) cuda::wait_barrier(&shared.full[stage], parity);
      ChunkWeights<kConfig> weights;
      read_chunk<kConfig>(lane_address<kConfig>(ring) + stage * kConfig.stage_bytes() +
                              chunk_in_stage * kConfig.warps * 64,
                          weights);
      multiply_chunk<kConfig>(weights, x, slot, sums);
      x.load_next(slot);
      if (++chunk_in_stage == kConfig.warp_chunks()) {
        __syncwarp();
        if (threadIdx.x % 32 == 0) cuda::arrive(&shared.empty[stage]);
        chunk_in_stage = 0;
        if (++stage == kConfig.stages) {
          stage = 0;
          parity ^= 1;
        }
      }
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
#pragma unroll
  for (int tile = 0; tile < kConfig.row_tiles; ++tile) {
    const int row = tile * 16 + lane / 4 + (odd ? 8 : 0);
    const int owner = row / kConfig.owned_rows();
#pragma unroll
    for (int t = 0; t < kConfig.token_tiles; ++t) {
      float sum[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        sum[i] = sums[0][tile][t][i];
        if constexpr (kSumSets<kConfig> == 2) sum[i] += sums[1][tile][t][i];
      }
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
    const int64_t index = token * params.output_stride + row;
    if (params.output_is_float32) {
      static_cast<float*>(params.output.get())[index] = sum;
    } else {
      static_cast<__nv_bfloat16*>(params.output.get())[index] = __float2bfloat16_rn(sum);
    }
  }
}

// Makes the barriers. Only the streaming warp uses them before the cluster has met, and it makes
// them itself.
template <SkinnyGemmConfig kConfig>
__device__ __forceinline__ void initialize(const SkinnyGemmParams& params,
                                           Shared<kConfig>& shared) {
  for (int stage = 0; stage < kConfig.stages; ++stage) {
    cuda::initialize_barrier(&shared.full[stage], 1);
    cuda::initialize_barrier(&shared.empty[stage], kConfig.warps);
  }
  const int token_groups = (params.tokens + 3) / 4;
  cuda::initialize_barrier(&shared.partials_arrived, 1);
  cuda::publish_barriers();
  cuda::expect_bytes(&shared.partials_arrived,
                     kConfig.partials() * kConfig.owned_rows() * token_groups * 16);
}

}  // namespace skinny_gemm

// Shape is a type with a static `kConfig`: nvcc cannot name a kernel whose template argument is
// itself a struct.
template <class Shape>
__global__ void __launch_bounds__(Shape::kConfig.threads(),
                                  Shape::kConfig.ctas_per_multiprocessor())
    skinny_gemm_kernel(const __grid_constant__ SkinnyGemmParams params) {
  [[maybe_unused]] const LaunchScope scope{};
  using namespace skinny_gemm;
  constexpr SkinnyGemmConfig kConfig = Shape::kConfig;
  extern __shared__ __align__(128) unsigned char ring[];
  __shared__ Shared<kConfig> shared;
  float* partials = reinterpret_cast<float*>(ring + kConfig.stages * kConfig.stage_bytes());

  pdl::trigger();
  const Slice slice = Slice::of_this_cta<kConfig>(params);
  const bool streams = threadIdx.x / 32 == kConfig.warps;
  if (streams && threadIdx.x % 32 == 0) initialize<kConfig>(params, shared);
  // This CTA's barriers are made: its own warps may use them, its peers once all have arrived.
  cuda::cluster_arrive();
  __syncthreads();
  if (streams) {
    stream_weights<kConfig>(params, slice, ring, shared);
    cuda::cluster_wait();
    return;
  }
  cuda::cluster_wait();
  Sums<kConfig> sums = {};
  if constexpr (kConfig.resident()) {
    multiply_resident<kConfig>(params, slice, ring, shared, sums);
  } else {
    multiply_stages<kConfig>(params, slice, ring, shared, sums);
  }
  send_partials<kConfig>(params, sums, partials, &shared.partials_arrived);
  cuda::wait_barrier(&shared.partials_arrived, 0);
  finish_rows<kConfig>(params, slice.first_row + cuda::cluster_rank() * kConfig.owned_rows(),
                       partials);
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::ops
