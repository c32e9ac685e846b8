// Matrix product of a weight matrix with 1 to 16 tokens, for decode: bound by the bytes of the
// weights and by latency.
//
// Data flow. A cluster owns a few 16-row tiles of the weights and splits the columns among all
// warps of its CTAs, in chunks of 32 columns. Each lane copies exactly the weight pieces that it
// will feed to the tensor core into a ring in shared memory, so the ring is a private queue and no
// barrier guards it. The tensor core wants pairs of columns in an order of its own; since a dot
// product does not care, a lane simply takes 8 neighbouring columns (16 bytes) of its row, and the
// activations are loaded in the same order straight into registers. Weights are the "M" operand (16
// rows), tokens the "N" operand (8 each). Every warp ends with partial sums of all rows; it sends
// them to the CTA of the cluster that owns the row through distributed shared memory, where an
// mbarrier counts the bytes. The owner adds the partials in a fixed order, so the result is the
// same bits in every run, and rounds once.
//
// PDL contract. Before the wait: weights (constant), barrier set-up. After it: activations, output.
// The trigger comes first, so that the next kernel's weights stream while this one waits and
// multiplies.
#pragma once

#include <cuda_bf16.h>

#include "ops/skinny_gemm/params.h"
#include "ops/support/async.cuh"
#include "ops/support/cluster.cuh"
#include "slipstream/pdl.cuh"

namespace slipstream::ops {
namespace skinny_gemm {

// d += a * b for a 16 x 16 bf16 tile of weights and a 16 x 8 tile of activations.
__device__ __forceinline__ void multiply_add(float (&d)[4], uint32_t a0, uint32_t a1, uint32_t a2,
                                             uint32_t a3, uint32_t b0, uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

// The columns that one warp multiplies: chunks [next, end) are still to be copied.
template <SkinnyGemmConfig kConfig>
class WeightStream {
 public:
  // Lane l reads rows l / 4 and l / 4 + 8 of each tile, columns 8 * (l % 4) to + 7 of each chunk.
  // Rows beyond the matrix repeat the last one: their sums are never stored.
  __device__ WeightStream(const SkinnyGemmParams& params, int first_row, int first_chunk, int end,
                          unsigned char* ring)
      : source_(params.weights.get() + threadIdx.x % 4 * 8),
        row_stride_(params.weight_stride),
        row_(first_row + threadIdx.x % 32 / 4),
        last_row_(params.rows - 1),
        end_(end),
        next_(first_chunk) {
    const int warp = threadIdx.x / 32;
    const int lane = threadIdx.x % 32;
    slot_ = shared_address(ring) + (warp * kConfig.ring_chunks * kConfig.pieces() * 32 + lane) * 16;
  }

  // Starts the copy of the next chunk into its slot of the ring; an empty group once there is none
  // left.
  __device__ void copy_next(int ring_slot) {
    if (next_ < end_) {
#pragma unroll
      for (int piece = 0; piece < kConfig.pieces(); ++piece) {
        const int row = min(row_ + piece * 8, last_row_);
        copy_async_16(address(ring_slot, piece),
                      source_ + row * row_stride_ + next_ * SkinnyGemmConfig::kChunkColumns);
      }
    }
    ++next_;
    commit_copies();
  }

  __device__ uint4 read(int ring_slot, int piece) const {
    return load_shared_16(address(ring_slot, piece));
  }

 private:
  __device__ uint32_t address(int ring_slot, int piece) const {
    return slot_ + (ring_slot * kConfig.pieces() + piece) * 32 * 16;
  }

  const __nv_bfloat16* source_;
  int64_t row_stride_;
  int row_;
  int last_row_;
  uint32_t slot_;
  int end_;
  int next_;
};

// The activations of chunks [first, first + x_chunks) in the order of the weights; zero beyond the
// last chunk and token.
template <SkinnyGemmConfig kConfig>
__device__ __forceinline__ void load_activations(
    const SkinnyGemmParams& params, int first, int end,
    uint4 (&x)[kConfig.x_chunks][kConfig.token_tiles]) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int tile = 0; tile < kConfig.token_tiles; ++tile) {
    const int token = tile * 8 + lane / 4;
    const __nv_bfloat16* source =
        params.activations.get() + token * params.activation_stride + (lane % 4) * 8;
#pragma unroll
    for (int i = 0; i < kConfig.x_chunks; ++i) {
      const bool inside = token < params.tokens && first + i < end;
      x[i][tile] = inside ? *reinterpret_cast<const uint4*>(
                                source + (first + i) * SkinnyGemmConfig::kChunkColumns)
                          : make_uint4(0, 0, 0, 0);
    }
  }
}

// Multiplies all of the warp's chunks. The ring holds the first ring_chunks of them on entry.
template <SkinnyGemmConfig kConfig>
__device__ __forceinline__ void multiply_chunks(
    const SkinnyGemmParams& params, int first, int end, WeightStream<kConfig>& weights,
    float (&sums)[kConfig.row_tiles][kConfig.token_tiles][4]) {
  int ring_slot = 0;
  for (int pass = first; pass < end; pass += kConfig.x_chunks) {
    uint4 x[kConfig.x_chunks][kConfig.token_tiles];
    load_activations<kConfig>(params, pass, end, x);
#pragma unroll
    for (int i = 0; i < kConfig.x_chunks; ++i) {
      if (pass + i >= end) break;
      wait_copies<kConfig.ring_chunks - 1>();
#pragma unroll
      for (int tile = 0; tile < kConfig.row_tiles; ++tile) {
        const uint4 low = weights.read(ring_slot, tile * 2);
        const uint4 high = weights.read(ring_slot, tile * 2 + 1);
#pragma unroll
        for (int t = 0; t < kConfig.token_tiles; ++t) {
          multiply_add(sums[tile][t], low.x, high.x, low.y, high.y, x[i][t].x, x[i][t].y);
          multiply_add(sums[tile][t], low.z, high.z, low.w, high.w, x[i][t].z, x[i][t].w);
        }
      }
      weights.copy_next(ring_slot);
      ring_slot = ring_slot + 1 == kConfig.ring_chunks ? 0 : ring_slot + 1;
    }
  }
}

// Sends the warp's sums to the owners of the rows. Lanes swap halves first, so that each holds four
// tokens of one row and sends 16 bytes. Tokens beyond the last, in groups of four, stay home.
template <SkinnyGemmConfig kConfig>
__device__ __forceinline__ void send_partials(
    const SkinnyGemmParams& params, const float (&sums)[kConfig.row_tiles][kConfig.token_tiles][4],
    float* partials, uint64_t* arrived) {
  const int lane = threadIdx.x % 32;
  const bool odd = lane % 2 == 1;
  const int partial = cluster_rank() * SkinnyGemmConfig::kWarps + threadIdx.x / 32;
#pragma unroll
  for (int tile = 0; tile < kConfig.row_tiles; ++tile) {
    const int row = tile * 16 + lane / 4 + (odd ? 8 : 0);
    const int owner = row / kConfig.owned_rows();
#pragma unroll
    for (int t = 0; t < kConfig.token_tiles; ++t) {
      const float(&sum)[4] = sums[tile][t];
      const float theirs0 = __shfl_xor_sync(~0U, odd ? sum[0] : sum[2], 1);
      const float theirs1 = __shfl_xor_sync(~0U, odd ? sum[1] : sum[3], 1);
      const float4 quad = odd ? make_float4(theirs0, theirs1, sum[2], sum[3])
                              : make_float4(sum[0], sum[1], theirs0, theirs1);
      const int token = t * 8 + (lane % 4) / 2 * 4;
      if (token >= params.tokens) continue;
      const float* target = partials + partial * kConfig.partial_stride() +
                            row % kConfig.owned_rows() * kConfig.tokens() + token;
      store_async_16(remote_address(target, owner), quad, remote_address(arrived, owner));
    }
  }
}

// Adds the partials of the CTA's own rows, always in the same order, and stores the result.
template <SkinnyGemmConfig kConfig>
__device__ __forceinline__ void finish_rows(const SkinnyGemmParams& params, int first_row,
                                            const float* partials) {
  constexpr int kOutputs = kConfig.owned_rows() * kConfig.tokens();
  constexpr int kLanesPerOutput = SkinnyGemmConfig::kThreads / kOutputs;
  static_assert(kLanesPerOutput >= 1 && kLanesPerOutput <= 32);
  const int output = threadIdx.x / kLanesPerOutput;
  float sum = 0;
#pragma unroll
  for (int i = threadIdx.x % kLanesPerOutput; i < kConfig.partials(); i += kLanesPerOutput) {
    sum += partials[i * kConfig.partial_stride() + output];
  }
#pragma unroll
  for (int distance = kLanesPerOutput / 2; distance > 0; distance /= 2) {
    sum += __shfl_xor_sync(~0U, sum, distance);
  }
  const int row = first_row + output / kConfig.tokens();
  const int token = output % kConfig.tokens();
  if (threadIdx.x % kLanesPerOutput != 0 || token >= params.tokens || row >= params.rows) return;
  const int64_t index = token * params.output_stride + row;
  if (params.output_is_float32) {
    static_cast<float*>(params.output.get())[index] = sum;
  } else {
    static_cast<__nv_bfloat16*>(params.output.get())[index] = __float2bfloat16_rn(sum);
  }
}

}  // namespace skinny_gemm

// Shape is a type with a static `kConfig`: nvcc cannot name a kernel whose template argument is
// itself a struct.
template <class Shape>
__global__ void __launch_bounds__(SkinnyGemmConfig::kThreads, 2)
    skinny_gemm_kernel(const __grid_constant__ SkinnyGemmParams params) {
  using namespace skinny_gemm;
  constexpr SkinnyGemmConfig kConfig = Shape::kConfig;
  extern __shared__ __align__(16) unsigned char ring[];
  __shared__ uint64_t arrived;
  float* partials = reinterpret_cast<float*>(ring + kConfig.ring_bytes());

  pdl::trigger();
  const int rank = cluster_rank();
  const int first_row = blockIdx.x / kConfig.cluster_ctas * kConfig.cluster_rows();
  const int warp = rank * SkinnyGemmConfig::kWarps + threadIdx.x / 32;
  const int chunks = params.columns / SkinnyGemmConfig::kChunkColumns;
  const int first = chunks * warp / kConfig.partials();
  const int end = chunks * (warp + 1) / kConfig.partials();

  WeightStream<kConfig> weights(params, first_row, first, end, ring);
#pragma unroll
  for (int slot = 0; slot < kConfig.ring_chunks; ++slot) weights.copy_next(slot);

  // Peers may send once every CTA of the cluster has made its barrier: the arrive is here, the wait
  // before the first send.
  if (threadIdx.x == 0) {
    const int token_groups = (params.tokens + 3) / 4;
    initialize_barrier(&arrived, 1);
    expect_bytes(&arrived, kConfig.partials() * kConfig.owned_rows() * token_groups * 16);
  }
  cluster_arrive();

  pdl::wait();
  float sums[kConfig.row_tiles][kConfig.token_tiles][4] = {};
  multiply_chunks<kConfig>(params, first, end, weights, sums);
  cluster_wait();
  send_partials<kConfig>(params, sums, partials, &arrived);
  wait_barrier(&arrived, 0);
  finish_rows<kConfig>(params, first_row + rank * kConfig.owned_rows(), partials);
}

}  // namespace slipstream::ops
