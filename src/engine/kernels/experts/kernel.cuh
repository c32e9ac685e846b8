// The experts of a mixture-of-experts layer.
//
// routed_kernel: every CTA chooses the experts itself (that is quicker than a launch of its own);
// CTA (x, y) multiplies tile x of the y-th distinct expert, if there are as many.
// down_kernel: a CTA owns 16 rows of the output; its warps share the experts out, the shared one
// first, because its weights are known before the wait. A warp has the whole sum of an expert in
// registers, so that it can round and weight it before it adds.
//
// PDL: weights of the shared expert and the correction bias before the wait, nothing else.
#pragma once

#include "engine/kernels/experts/choice.cuh"
#include "engine/kernels/linear/kernel.cuh"

namespace slipstream::engine::kernels {
namespace experts {

struct Shared {
  LinearShared linear;
  ExpertSet set;
  ExpertChoice choices[kMaxRows][kMaxChoices];
};

// Rows of the tokens that take the expert; the others are zero.
class ChosenSource {
 public:
  __device__ ChosenSource(const PlainSource& source, const int* slots)
      : source_(source), slots_(slots) {}
  __device__ void values(int token, int column, LaneValues& values) const {
    if (slots_[token] < 0) return zero(values);
    source_.values(token, column, values);
  }

 private:
  const PlainSource& source_;
  const int* slots_;
};

// Which of its choices a token's expert is, or -1.
__device__ __forceinline__ int slot_of(const Shared& shared, int choices, int token, int expert) {
  for (int slot = 0; slot < choices; ++slot) {
    if (shared.choices[token][slot].expert == expert) return slot;
  }
  return -1;
}

__device__ __forceinline__ void choose_all(const RoutedLaunch& params, ChoiceScratch* scratch,
                                           Shared& shared) {
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  shared.set.clear();
  __syncthreads();
  for (int token = warp; token < params.tokens; token += static_cast<int>(blockDim.x) / 32) {
    const ExpertChoice choice = choose_experts(params.route, token, scratch[warp]);
    if (lane >= params.route.choices) continue;
    shared.choices[token][lane] = choice;
    shared.set.insert(choice.expert);
    if (blockIdx.x == 0 && blockIdx.y == 0) {
      params.choices.get()[token * params.route.choices + lane] = choice;
    }
  }
  __syncthreads();
}

// silu(gate) * up of the tokens that take the expert; the others are zero.
class ActivatedSource {
 public:
  __device__ ActivatedSource(const DownLaunch& params, const Shared& shared, int expert)
      : params_(params), shared_(shared), expert_(expert) {}
  __device__ void values(int token, int column, LaneValues& values) const {
    const int slot = slot_of(shared_, params_.choices_per_token, token, expert_);
    if (slot < 0) return zero(values);
    const int width = params_.down.columns;
    const __nv_bfloat16* gate =
        params_.activated.get() +
        (std::int64_t{token} * params_.choices_per_token + slot) * 2 * width + column;
    load_gated(gate, gate + width, values);
  }

 private:
  const DownLaunch& params_;
  const Shared& shared_;
  int expert_;
};

__device__ __forceinline__ void load_choices(const DownLaunch& params, Shared& shared) {
  shared.set.clear();
  __syncthreads();
  const int count = params.tokens * params.choices_per_token;
  for (int i = threadIdx.x; i < count; i += static_cast<int>(blockDim.x)) {
    const ExpertChoice choice = params.choices.get()[i];
    shared.choices[i / params.choices_per_token][i % params.choices_per_token] = choice;
    shared.set.insert(choice.expert);
  }
  __syncthreads();
}

// total += weight of the token * the sum, rounded.
template <int kTokenTiles>
__device__ __forceinline__ void add_weighted(const Sums<kTokenTiles>& sums, const Shared& shared,
                                             int choices, int tokens, int expert,
                                             Sums<kTokenTiles>& total) {
#pragma unroll
  for (int t = 0; t < kTokenTiles; ++t) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const int token = t * 8 + threadIdx.x % 4 * 2 + i;
      if (token >= tokens) continue;
      const int slot = slot_of(shared, choices, token, expert);
      if (slot < 0) continue;
      const float weight = shared.choices[token][slot].weight;
      total[t][i] += weight * round_to_bf16(sums[t][i]);
      total[t][i + 2] += weight * round_to_bf16(sums[t][i + 2]);
    }
  }
}

template <int kTokenTiles>
__device__ __forceinline__ void sum_shared_expert(const DownLaunch& params, WeightStream& stream,
                                                  Shared& shared, int tile,
                                                  Sums<kTokenTiles>& total) {
  const SiluSource source(params.shared_input, 0, shared.linear.source);
  Sums<kTokenTiles> sums = {};
  multiply_tile<kTokenTiles>(stream, params.shared_down, tile, 0, 1, source, params.tokens,
                             params.ue8m0, sums);
#pragma unroll
  for (int t = 0; t < kTokenTiles; ++t) {
#pragma unroll
    for (int i = 0; i < 4; ++i) total[t][i] += round_to_bf16(sums[t][i]);
  }
}

}  // namespace experts

template <int kTokenTiles>
__global__ void __launch_bounds__(kMaxWarps * 32, 2)
    routed_kernel(const __grid_constant__ RoutedLaunch params) {
  extern __shared__ __align__(128) unsigned char rings[];
  __shared__ experts::Shared shared;
  __shared__ int slots[kMaxRows];
  [[maybe_unused]] const LaunchScope scope{};
  pdl::trigger();
  pdl::wait();
  const int warp = threadIdx.x / 32;
  const int warps = static_cast<int>(blockDim.x) / 32;
  auto* scratch = reinterpret_cast<ChoiceScratch*>(rings + warps * params.ring_slots * kChunkBytes);
  experts::choose_all(params, scratch, shared);
  const int index = static_cast<int>(blockIdx.y);
  if (index >= shared.set.size()) return;
  const int expert = shared.set.nth(index);
  if (threadIdx.x < kMaxRows) {
    const int token = static_cast<int>(threadIdx.x);
    slots[token] =
        token < params.tokens ? experts::slot_of(shared, params.route.choices, token, expert) : -1;
  }
  __syncthreads();

  const PackedMatrix matrix = params.gate_up.nth(expert);
  const int tile = static_cast<int>(blockIdx.x);
  WeightStream stream(rings + warp * params.ring_slots * kChunkBytes, shared.linear.barriers[warp],
                      params.ring_slots);
  stream.start(matrix, tile, warp, warps);
  const PlainSource plain(params.input, 0, shared.linear.source);
  const experts::ChosenSource source(plain, slots);
  Sums<kTokenTiles> sums = {};
  multiply_tile<kTokenTiles>(stream, matrix, tile, warp, warps, source, params.tokens, params.ue8m0,
                             sums);
  store_partials<kTokenTiles>(sums, shared.linear.partials[warp]);
  finish(shared.linear, params.tokens, [&](int row, int token, float sum) {
    if (slots[token] < 0) return;
    const std::int64_t target = std::int64_t{token} * params.route.choices + slots[token];
    params.activated.get()[target * matrix.rows + tile * kTileRows + row] =
        __float2bfloat16_rn(sum);
  });
}

template <int kTokenTiles>
__global__ void __launch_bounds__(kMaxWarps * 32, 2)
    down_kernel(const __grid_constant__ DownLaunch params) {
  extern __shared__ __align__(128) unsigned char rings[];
  __shared__ experts::Shared shared;
  [[maybe_unused]] const LaunchScope scope{};
  pdl::trigger();
  const int tile = static_cast<int>(blockIdx.x);
  const int warp = threadIdx.x / 32;
  const int warps = static_cast<int>(blockDim.x) / 32;
  WeightStream stream(rings + warp * params.ring_slots * kChunkBytes, shared.linear.barriers[warp],
                      params.ring_slots);
  if (warp == 0) stream.start(params.shared_down, tile, 0, 1);

  pdl::wait();
  experts::load_choices(params, shared);
  Sums<kTokenTiles> total = {};
  if (warp == 0) {
    experts::sum_shared_expert<kTokenTiles>(params, stream, shared, tile, total);
  }
  const int distinct = shared.set.size();
  // Item 0 is the shared expert.
  for (int item = warp == 0 ? warps : warp; item <= distinct; item += warps) {
    const int expert = shared.set.nth(item - 1);
    const PackedMatrix matrix = params.down.nth(expert);
    stream.start(matrix, tile, 0, 1);
    const experts::ActivatedSource source(params, shared, expert);
    Sums<kTokenTiles> sums = {};
    multiply_tile<kTokenTiles>(stream, matrix, tile, 0, 1, source, params.tokens, params.ue8m0,
                               sums);
    experts::add_weighted<kTokenTiles>(sums, shared, params.choices_per_token, params.tokens,
                                       expert, total);
  }
  store_partials<kTokenTiles>(total, shared.linear.partials[warp]);
  finish(shared.linear, params.tokens, [&](int row, int token, float sum) {
    params.output.get()[std::int64_t{token} * params.down.rows + tile * kTileRows + row] =
        __float2bfloat16_rn(sum);
  });
}

}  // namespace slipstream::engine::kernels
