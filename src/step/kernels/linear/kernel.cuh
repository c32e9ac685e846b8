// Matrix products of 1 to 16 tokens with packed weights, fp8 with block scales (W8A8) or bf16.
//
// Data flow. About one CTA per SM. A cluster of 1 to 8 CTAs takes a run of 16-row tiles and shares
// their columns out (work.cuh). Each warp streams an equal run of the CTA's chunks (2 KB of one
// tile) into a ring of its own, which it starts to fill before the wait. After the wait the CTA
// loads its columns of the activations at once, normalizes and quantizes them into shared memory as
// the tensor core's operand (stage.cuh, operands.cuh), and after one barrier the warps multiply
// what has arrived. A warp's sums of a tile go to shared memory when its run leaves the tile; then
// the CTA and the cluster add them up (finish.cuh).
//
// The code is kept short on purpose, with rolled loops: most of it runs once per launch, and what
// is not in the instruction caches costs more than it does.
//
// PDL: the weights, their scales, the norm's gamma and the barriers before the wait; activations
// and outputs after it. What polls for a few tokens does everything before the wait, which comes last.
#pragma once

#include "cuda/tensor_core.cuh"
#include "slipstream/pdl.cuh"
#include "step/kernels/linear/chunk_ring.cuh"
#include "step/kernels/linear/finish.cuh"
#include "step/kernels/linear/operands.cuh"
#include "step/kernels/linear/params.h"
#include "step/kernels/linear/sources.cuh"
#include "step/kernels/linear/stage.cuh"
#include "step/kernels/linear/work.cuh"
#include "step/kernels/support/lanes.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

struct LinearShared {
  uint64_t barriers[kWarps][kMaxRingSlots];
  uint64_t staged;  // what the cluster's CTAs, or a launch before, have of the activations
  uint64_t sums_arrived;
  PieceOrder order;
};

template <int kTokenTiles>
using Sums = float[kTokenTiles][4];

// d += a b: 16 x 32 e4m3 times 32 x 8, in two halves that need not wait for each other. An H200
// multiplies e4m3 as f16 in any case.
__device__ __forceinline__ void multiply_codes(float (&d)[2][4], uint4 a, uint32_t b0,
                                               uint32_t b1) {
  const uint2 rows[] = {half_pairs(a.x), half_pairs(a.y), half_pairs(a.z), half_pairs(a.w)};
  const uint2 columns[] = {half_pairs(b0), half_pairs(b1)};
  cuda::multiply_f16(d[0], {rows[0].x, rows[1].x, rows[2].x, rows[3].x}, columns[0].x,
                     columns[1].x);
  cuda::multiply_f16(d[1], {rows[0].y, rows[1].y, rows[2].y, rows[3].y}, columns[0].y,
                     columns[1].y);
}

// One lane's view of the operands of a piece, which moves on chunk by chunk.
template <int kTokenTiles>
struct LaneOperands {
  uint32_t columns[kTokenTiles];
  const float* scales[kTokenTiles][2];  // of the tokens of the lane's results

  __device__ LaneOperands(const Operands& operands, bool fp8, int chunk) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
    for (int t = 0; t < kTokenTiles; ++t) {
      columns[t] = operands.lane_address(fp8, t * 8 + lane / 4) + chunk * operands.chunk_stride();
      scales[t][0] = operands.scale(t * 8 + lane % 4 * 2) + chunk * kMaxRows;
      scales[t][1] = operands.scale(t * 8 + lane % 4 * 2 + 1) + chunk * kMaxRows;
    }
  }
  __device__ void advance(const Operands& operands) {
#pragma unroll
    for (int t = 0; t < kTokenTiles; ++t) {
      columns[t] += operands.chunk_stride();
      scales[t][0] += kMaxRows;
      scales[t][1] += kMaxRows;
    }
  }
};

// sums += products of one chunk.
template <int kTokenTiles>
__device__ __forceinline__ void multiply_fp8_chunk(const uint4 (&weights)[4], float weight_scale,
                                                   const Operands& operands,
                                                   const LaneOperands<kTokenTiles>& lane,
                                                   Sums<kTokenTiles>& sums) {
#pragma unroll
  for (int t = 0; t < kTokenTiles; ++t) {
    uint4 x[2];
    operands.load(lane.columns[t], x);
    const float factors[] = {*lane.scales[t][0] * weight_scale, *lane.scales[t][1] * weight_scale};
    float products[2][4] = {};
    multiply_codes(products, weights[0], x[0].x, x[0].y);
    multiply_codes(products, weights[1], x[0].z, x[0].w);
    multiply_codes(products, weights[2], x[1].x, x[1].y);
    multiply_codes(products, weights[3], x[1].z, x[1].w);
#pragma unroll
    for (int i = 0; i < 4; ++i) sums[t][i] += (products[0][i] + products[1][i]) * factors[i % 2];
  }
}

template <int kTokenTiles>
__device__ __forceinline__ void multiply_bf16_chunk(const uint4 (&weights)[4],
                                                    const Operands& operands,
                                                    const LaneOperands<kTokenTiles>& lane,
                                                    Sums<kTokenTiles>& sums) {
#pragma unroll
  for (int t = 0; t < kTokenTiles; ++t) {
    uint4 x[2];
    operands.load(lane.columns[t], x);
    cuda::multiply_bf16(sums[t], weights[0], x[0].x, x[0].y);
    cuda::multiply_bf16(sums[t], weights[1], x[0].z, x[0].w);
    cuda::multiply_bf16(sums[t], weights[2], x[1].x, x[1].y);
    cuda::multiply_bf16(sums[t], weights[3], x[1].z, x[1].w);
  }
}

// A warp's sums of a tile to shared memory, a token's rows next to each other.
template <int kTokenTiles>
__device__ __forceinline__ void store_partials(const Sums<kTokenTiles>& sums, int tokens,
                                               float* partials) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int t = 0; t < kTokenTiles; ++t) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int token = t * 8 + lane % 4 * 2 + i % 2;
      if (token < tokens) partials[token * kPartialStride + lane / 4 + i / 2 * 8] = sums[t][i];
    }
  }
}

// The weights of one warp on their way, and what they are.
struct WarpWeights {
  const Piece* pieces;
  const float* scales;
  WarpRun run;
};

// The calling warp's run: a sum of each piece to `partials`.
template <int kTokenTiles>
__device__ __forceinline__ void multiply_run(const WarpWeights& weights, ChunkRing& ring,
                                             RunCopier& copier, const Operands& operands,
                                             int tokens, float* partials) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const float* scale = weights.scales;
#pragma unroll 1
  for (int i = 0; i < weights.run.pieces; ++i) {
    const Piece piece = weights.pieces[i];
    const bool fp8 = piece.scales != nullptr;
    LaneOperands<kTokenTiles> lane_operands(operands, fp8, piece.first_chunk);
    Sums<kTokenTiles> sums = {};
#pragma unroll 1
    for (int left = piece.chunks; left > 0; --left) {
      const uint32_t address = ring.pop() + lane * 16;
      uint4 words[4];
#pragma unroll
      for (int step = 0; step < 4; ++step) words[step] = cuda::load_shared_16(address + step * 512);
      if (fp8) {
        multiply_fp8_chunk<kTokenTiles>(words, *scale, operands, lane_operands, sums);
      } else {
        multiply_bf16_chunk<kTokenTiles>(words, operands, lane_operands, sums);
      }
      lane_operands.advance(operands);
      ++scale;
      __syncwarp();  // all lanes have read the chunk
      copier.copy_next(ring);
    }
    store_partials<kTokenTiles>(sums, tokens, partials + i * tokens * kPartialStride);
  }
}

// The work of CTA `block` of params.ctas(). Waits.
template <class Source, Breadth kBreadth, class Gate>
__device__ __forceinline__ void linear_block(const LinearParams& params,
                                             const typename Source::Input& input, int block,
                                             unsigned char* memory, LinearShared& shared,
                                             Gate gate) {
  constexpr bool kPrepared = std::is_same_v<Source, PreparedSource>;
  const CtaWork work(params, block);
  const LinearMemory& layout = params.memory;
  Finisher<Source::kMayPush> finisher(params, work, memory, &shared.sums_arrived);
  if (kPrepared && threadIdx.x == 0) {
    cuda::initialize_barrier(&shared.staged, 1);
    cuda::publish_barriers();
  }
  if (params.cluster_ctas > 1) {
    if (threadIdx.x == 0) {
      if (!kPrepared) cuda::initialize_barrier(&shared.staged, 1);
      cuda::initialize_barrier(&shared.sums_arrived, 1);
      cuda::publish_barriers();
      if (!kPrepared) cuda::expect_bytes(&shared.staged, params.tokens * params.groups() * 4);
      cuda::expect_bytes(&shared.sums_arrived, finisher.bytes_to_come());
    }
    // Before the copies: releasing them would mean to wait for them.
    cuda::cluster_arrive_relaxed();
  }
  const int warp = warp_index();
  Piece* pieces = reinterpret_cast<Piece*>(memory + layout.pieces) + warp * layout.warp_tiles;
  float* weight_scales =
      reinterpret_cast<float*>(memory + layout.weights) + warp * layout.warp_chunks;
  ChunkRing ring(memory + warp * layout.ring_slots * kChunkBytes, shared.barriers[warp],
                 layout.ring_slots);
  const WarpWeights weights{
      pieces, weight_scales,
      find_pieces(params, work, pieces, reinterpret_cast<TileOutput*>(memory + layout.outputs))};
  if (threadIdx.x % 32 == 0) shared.order.counts[warp] = weights.run.pieces;
  // slipstream-check: allow R1 R2: pieces name tiles of weights, which are constants
  RunCopier copier(pieces, weights.run, layout.ring_slots, params.early_slots, ring);
  // slipstream-check: allow R1 R2: and their scales
  copy_scales(pieces, weights.run, weight_scales);

  __syncthreads();
  int first_piece = 0;
  const auto prepare_finish = [&] {
    first_piece = shared.order.first_of_warp();
    list_first_pieces(work, weights.run, first_piece,
                      reinterpret_cast<int*>(memory + layout.first_pieces));
    finisher.look_up();
  };
  // CTAs of what is not normed start so late that the wait waits for them: they do it while activations are
  // on their way.
  constexpr bool kPreparesLate = !Source::kNormalizes && !kPrepared;
  if constexpr (!kPreparesLate) prepare_finish();
  const Source source(input);
  Stager<Source, kBreadth> stager(
      params, work, source, reinterpret_cast<float*>(memory + layout.squares), &shared.staged);
  stager.prefetch();
  if (params.cluster_ctas > 1) cuda::cluster_wait();

  const auto multiply = [&](const auto& let_next_start) {
    const Operands operands(layout, params.tokens, memory);

    // The activations ahead of the rest of the weights, up to so many of each warp's slots: what is sent for comes
    // in that order.
    // slipstream-check: allow R14: no CTA passes stage() before all that is sent to it has arrived
    stager.stage(operands, [&](int slots) {
      copier.fill_until(ring, slots);
      if constexpr (kPreparesLate) prepare_finish();
    });
    let_next_start();
    cuda::wait_async_copies();  // of the scales

    __syncthreads();

    multiply_run<token_tiles(kBreadth)>(weights, ring, copier, operands, params.tokens,
                                        reinterpret_cast<float*>(memory + layout.partials) +
                                            first_piece * params.tokens * kPartialStride);

    __syncthreads();

    // slipstream-check: allow R14: nor finish()
    finisher.finish();
  };
  if constexpr (Stager<Source, kBreadth>::kPollsEarly) {
    // slipstream-check: allow R1 R2 R5 R6 R13: docs/ranks.md says why, "Polls before the wait"
    multiply([&] { gate.let_next_start(); });
    gate.wait();
  } else {
    gate.pass();
    multiply([] {});
  }
}

// Two CTAs of so many threads fit a multiprocessor, which caps the registers.
template <class Source, Breadth kBreadth>
__global__ void __launch_bounds__(kThreads, 2)
    linear_kernel(const __grid_constant__ LinearLaunch<typename Source::Input> params) {
  extern __shared__ __align__(128) unsigned char memory[];
  __shared__ LinearShared shared;
  [[maybe_unused]] const LaunchScope scope{};
  linear_block<Source, kBreadth>(params.linear, params.input, this_cta().index, memory, shared,
                                 LaunchGate{});
}

// What polls takes more registers, and would find no room next to a CTA of expert_down
// (experts/down.cuh) with what is granted above: it would start late. 112 are what there is.
template <Breadth kBreadth>
inline constexpr int kPollRegisters = kBreadth == Breadth::kFine ? 80 : 112;

template <class Source, Breadth kBreadth>
__global__ void __maxnreg__(kPollRegisters<kBreadth>)
    polling_linear_kernel(const __grid_constant__ LinearLaunch<typename Source::Input> params) {
  extern __shared__ __align__(128) unsigned char memory[];
  __shared__ LinearShared shared;
  [[maybe_unused]] const LaunchScope scope{};
  linear_block<Source, kBreadth>(params.linear, params.input, this_cta().index, memory, shared,
                                 LaunchGate{});
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
