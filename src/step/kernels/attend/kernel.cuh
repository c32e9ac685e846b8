// Sparse MLA attention in its absorbed form, split over keys: 8 or 16 heads of one token per CTA.
//
// A CTA takes every splits-th chunk of 16 or 32 keys of its token's list: it gathers their rows
// into shared memory as bf16 while it works on the chunks before, multiplies them with the queries
// (the warps share out keys and columns), and adds the weighted latents to its sums (each warp 64
// columns), with the usual running maximum. Products are of 16 heads: of 8, each counts twice. The
// next launch combines the splits.
//
// PDL: nothing but shared addresses before the wait.
#pragma once

#include "cuda/tensor_core.cuh"
#include "step/kernels/attend/plan.h"
#include "step/kernels/attend/rows.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace attend {

inline constexpr int kHeadThreads = 16;  // that share a head's softmax
inline constexpr int kWarpColumns = kLatent / kWarps;
inline constexpr int kSteps = kLatentRow / 16;

template <int kKeys, int kHeads>
struct Shared {
  static constexpr int kRows = kKeys / kWarps;       // that a warp fetches
  static constexpr int kKeyTiles = kKeys / 16;       // of the first product
  static constexpr int kParts = kWarps / kKeyTiles;  // that its columns are split into
  static constexpr int kProbabilityStride = kKeys + 8;

  __nv_bfloat16 keys[2][kKeys][kRowStride];
  __nv_bfloat16 queries[kHeads][kRowStride];
  float products[kParts][kHeads][kKeys];
  __nv_bfloat16 probabilities[kHeads][kProbabilityStride];
  float rescale[kHeads];
};

// Whether the thread has a head, number threadIdx.x / kHeadThreads. Of 16 heads every thread has.
template <int kHeads>
__device__ __forceinline__ bool has_head() {
  return kHeads * kHeadThreads == kThreads || threadIdx.x < kHeads * kHeadThreads;
}

// Sends for the absorbed part of the queries; heads that do not exist are zero.
template <int kKeys, int kHeads>
__device__ __forceinline__ void fetch_absorbed(const AttendParams& params, int token,
                                               int first_head, Shared<kKeys, kHeads>& shared) {
  constexpr int kPieces = kLatent / 8;
#pragma unroll
  for (int i = threadIdx.x; i < kHeads * kPieces; i += kThreads) {
    const int head = first_head + i / kPieces;
    __nv_bfloat16* target = &shared.queries[i / kPieces][i % kPieces * 8];
    if (head < params.heads) {
      const int64_t row = int64_t{token} * params.heads + head;
      cuda::copy_16(target, params.absorbed.get() + row * kLatent + i % kPieces * 8);
    } else {
      *reinterpret_cast<uint4*>(target) = make_uint4(0, 0, 0, 0);
    }
  }
}

// The other part: thread t has pairs 2 (t % 16) and the next of head t / 16, if the CTA has it.
template <int kHeads>
__device__ __forceinline__ uint2 read_rope_part(const AttendParams& params, int token,
                                                int first_head) {
  const int head = first_head + static_cast<int>(threadIdx.x) / kHeadThreads;
  if (!has_head<kHeads>() || head >= params.heads) return make_uint2(0, 0);
  const int64_t row = int64_t{token} * params.heads + head;
  const __nv_bfloat16* source = params.queries.get() + (row + 1) * params.head_dim - kRope;
  return reinterpret_cast<const uint2*>(source)[threadIdx.x % 16];
}

__device__ __forceinline__ uint32_t rotate_packed(uint32_t packed, float cosine, float sine) {
  const float2 pair = __bfloat1622float2(*reinterpret_cast<const __nv_bfloat162*>(&packed));
  const float2 turned = rotate_pair(pair, cosine, sine);
  return cuda::pack_pair<DType::kBFloat16>(turned.x, turned.y);
}

struct Rotation {
  float2 cosines;
  float2 sines;
};
__device__ __forceinline__ Rotation read_rotation(const AttendParams& params, int position) {
  const auto* rope = reinterpret_cast<const float2*>(rope_row(params.rope, position));
  return {__ldg(rope + threadIdx.x % 16), __ldg(rope + kRope / 4 + threadIdx.x % 16)};
}

template <int kKeys, int kHeads>
__device__ __forceinline__ void store_rope_part(const Rotation& rotation, uint2 pairs,
                                                Shared<kKeys, kHeads>& shared) {
  if (!has_head<kHeads>()) return;
  auto* target =
      reinterpret_cast<uint2*>(&shared.queries[threadIdx.x / 16][kLatent]) + threadIdx.x % 16;
  *target = make_uint2(rotate_packed(pairs.x, rotation.cosines.x, rotation.sines.x),
                       rotate_packed(pairs.y, rotation.cosines.y, rotation.sines.y));
}

// Products of the queries with 16 keys over a part of the columns, to shared memory.
template <int kKeys, int kHeads>
__device__ __forceinline__ void multiply_keys(int stage, Shared<kKeys, kHeads>& shared) {
  using S = Shared<kKeys, kHeads>;
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  const int first_key = warp % S::kKeyTiles * 16;
  const int part = warp / S::kKeyTiles;
  constexpr int kPartSteps = kSteps / S::kParts;  // the first kLongParts have one more
  constexpr int kLongParts = kSteps % S::kParts;
  const int first_step = part * kPartSteps + min(part, kLongParts);
  const uint32_t query = cuda::shared_address(&shared.queries[lane % 16 % kHeads][lane / 16 * 8]);
  const uint32_t key = cuda::shared_address(
      &shared.keys[stage][first_key + lane / 16 * 8 + lane % 8][lane / 8 % 2 * 8]);
  float products[2][4] = {};
  const auto multiply = [&](int step) {
    const uint4 a = cuda::load_matrices(query + step * 32);
    const uint4 b = cuda::load_matrices(key + step * 32);
    cuda::multiply_bf16(products[0], a, b.x, b.y);
    cuda::multiply_bf16(products[1], a, b.z, b.w);
  };
#pragma unroll
  for (int i = 0; i < kPartSteps; ++i) multiply(first_step + i);
  if (part < kLongParts) multiply(first_step + kPartSteps);
#pragma unroll
  for (int tile = 0; tile < 2; ++tile) {
#pragma unroll
    for (int r = 0; r < kHeads / 8; ++r) {
      const int column = first_key + tile * 8 + lane % 4 * 2;
      *reinterpret_cast<float2*>(&shared.products[part][lane / 4 + r * 8][column]) = {
          products[tile][2 * r], products[tile][2 * r + 1]};
    }
  }
}

// Of head threadIdx.x / kHeadThreads, the same in all of its threads.
struct RunningSoftmax {
  float largest = -INFINITY;
  float sum = 0;
};

// Turns products into probabilities relative to the new maximum, in shared memory, with what older
// sums are to be multiplied with. Keys beyond keys_left have none.
template <int kKeys, int kHeads>
__device__ __forceinline__ void update_softmax(const AttendParams& params, int keys_left,
                                               Shared<kKeys, kHeads>& shared,
                                               RunningSoftmax& softmax) {
  using S = Shared<kKeys, kHeads>;
  const int head = threadIdx.x / kHeadThreads;
  if (!has_head<kHeads>()) return;
  float exponents[S::kKeyTiles];
  float largest = softmax.largest;
#pragma unroll
  for (int i = 0; i < S::kKeyTiles; ++i) {
    const int key = static_cast<int>(threadIdx.x) % 16 + i * 16;
    float sum = 0;
#pragma unroll
    for (int part = 0; part < S::kParts; ++part) sum += shared.products[part][head][key];
    exponents[i] = key < keys_left ? sum * params.scale : -INFINITY;
    largest = fmaxf(largest, exponents[i]);
  }
  largest = lane_max<16>(largest);
  const float rescale = exp2f(softmax.largest - largest);
  float sum = 0;
#pragma unroll
  for (int i = 0; i < S::kKeyTiles; ++i) {
    const float probability = exp2f(exponents[i] - largest);
    shared.probabilities[head][threadIdx.x % 16 + i * 16] = __float2bfloat16_rn(probability);
    sum += probability;
  }
#pragma unroll
  for (int distance = 1; distance < 16; distance *= 2) {
    sum += __shfl_xor_sync(kAllLanes, sum, distance);
  }
  if (threadIdx.x % 16 == 0) shared.rescale[head] = rescale;
  softmax.largest = largest;
  softmax.sum = softmax.sum * rescale + sum;
}

using Latents = float[kWarpColumns / 8][4];

// latents = latents * rescale + probabilities x the warp's 64 columns of the keys.
template <int kKeys, int kHeads>
__device__ __forceinline__ void add_latents(int stage, const Shared<kKeys, kHeads>& shared,
                                            Latents& latents) {
  const int lane = threadIdx.x % 32;
  const int first_column = threadIdx.x / 32 * kWarpColumns;
  const float rescale[] = {shared.rescale[lane / 4], shared.rescale[(lane / 4 + 8) % kHeads]};
#pragma unroll
  for (auto& tile : latents) {
#pragma unroll
    for (int i = 0; i < 4; ++i) tile[i] *= rescale[i / 2];
  }
  const uint32_t probability =
      cuda::shared_address(&shared.probabilities[lane % 16 % kHeads][lane / 16 * 8]);
  const uint32_t key = cuda::shared_address(
      &shared.keys[stage][lane / 8 % 2 * 8 + lane % 8][first_column + lane / 16 * 8]);
#pragma unroll
  for (int step = 0; step < kKeys / 16; ++step) {
    const uint4 a = cuda::load_matrices(probability + step * 32);
#pragma unroll
    for (int pair = 0; pair < kWarpColumns / 16; ++pair) {
      const uint4 b = cuda::load_matrices_transposed(key + step * 16 * kRowStride * 2 + pair * 32);
      cuda::multiply_bf16(latents[2 * pair], a, b.x, b.y);
      cuda::multiply_bf16(latents[2 * pair + 1], a, b.z, b.w);
    }
  }
}

// Not normalized: the combination divides once. The latents of no keys are not stored.
template <int kHeads>
__device__ __forceinline__ void store_split(const AttendParams& params, int token, int first_head,
                                            int split, bool has_keys, const RunningSoftmax& softmax,
                                            const Latents& latents) {
  const int64_t first_row = int64_t{token} * params.heads + first_head;
  const int own_head = threadIdx.x / kHeadThreads;
  if (threadIdx.x % kHeadThreads == 0 && has_head<kHeads>() &&
      first_head + own_head < params.heads) {
    params.weights.get()[(first_row + own_head) * params.splits + split] = {softmax.largest,
                                                                            softmax.sum};
  }
  if (!has_keys) return;
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int r = 0; r < kHeads / 8; ++r) {
    const int head = lane / 4 + r * 8;
    if (first_head + head >= params.heads) continue;
    const int first_column = static_cast<int>(threadIdx.x) / 32 * kWarpColumns;
    float* target = params.partials.get() +
                    part_index(first_row + head, first_column, params.splits) +
                    split * kPartColumns + lane % 4 * 2;
#pragma unroll
    for (int tile = 0; tile < kWarpColumns / 8; ++tile) {
      *reinterpret_cast<float2*>(target + tile * kPartColumns * params.splits) = {
          latents[tile][2 * r], latents[tile][2 * r + 1]};
    }
  }
}

}  // namespace attend

// Each CTA takes every `splits`-th run of a token's keys, for a tile of heads.
struct AttendCta {
  int split;
  int splits;
  int head_tile;
  int token;
};

template <int kKeys, int kHeads, bool kFp8, class Gate>
__device__ __forceinline__ void attend_block(const AttendParams& params, AttendCta cta,
                                             attend::Shared<kKeys, kHeads>& shared, Gate gate) {
  using namespace attend;
  using S = Shared<kKeys, kHeads>;
  const int first_head = cta.head_tile * kHeads;
  const int token = cta.token;
  // Chunks that are on their way at once. What has 8 heads has one chunk; fp8 rows take registers.
  constexpr int kAhead = kHeads == kFewHeads || kFp8 ? 1 : 2;
  const int warp = threadIdx.x / 32;
  const int step = cta.splits * kKeys;
  const int first_key = cta.split * kKeys;
  int first = first_key;

  gate.pass();
  const StepRow place = params.places.rows.get()[token];
  Slots<S::kRows> slots;
  slots.read_list(params, token, first + warp);
  Slots<S::kRows> second;
  if constexpr (kAhead == 2) second.read_list(params, token, first + step + warp);
  fetch_absorbed(params, token, first_head, shared);
  const uint2 rope_part = read_rope_part<kHeads>(params, token, first_head);
  const bool all = params.lists.get() == nullptr;
  const bool listed = !all && place.position - params.list_age >= params.index_topk;
  const int keys = all ? place.position + 1 : min(place.position + 1, params.index_topk);
  if (!listed) slots.use_positions(params, place, first + warp);
  const Rotation rotation = read_rotation(params, place.position);
  Rows<S::kRows, kFp8> rows;
  rows.fetch(params, slots, keys - first, shared.keys[0]);
  store_rope_part(rotation, rope_part, shared);
  if constexpr (kAhead == 2) {
    if (first + step < keys) {
      if (!listed) second.use_positions(params, place, first + step + warp);
      rows.fetch(params, second, keys - first - step, shared.keys[1]);
    } else {
      cuda::commit_copies();  // of nothing: finish() counts
    }
  }

  RunningSoftmax softmax;
  Latents latents = {};
  for (int stage = 0; first < keys; stage ^= 1, first += step) {
    const int next = first + kAhead * step;
    if (next < keys) {
      slots.read_list(params, token, next + warp);
      if (!listed) slots.use_positions(params, place, next + warp);
    }
    rows.template finish<kAhead - 1>(shared.keys[stage]);
    __syncthreads();  // and no warp uses the other stage any more
    if (kAhead == 1 && next < keys) {
      rows.fetch(params, slots, keys - next, shared.keys[stage ^ 1]);
    }
    multiply_keys(stage, shared);
    __syncthreads();
    update_softmax(params, keys - first, shared, softmax);
    __syncthreads();
    add_latents(stage, shared, latents);
    if constexpr (kAhead == 2) {
      if (next < keys) {
        __syncthreads();  // no warp uses this stage any more
        rows.fetch(params, slots, keys - next, shared.keys[stage]);
      } else {
        cuda::commit_copies();
      }
    }
  }
  cuda::wait_async_copies();  // of a CTA without keys
  store_split<kHeads>(params, token, first_head, cta.split, first_key < keys, softmax, latents);
}

template <int kKeys, int kHeads, bool kFp8>
__global__ void __launch_bounds__(attend::kThreads)
    attend_kernel(const __grid_constant__ AttendParams params) {
  extern __shared__ __align__(128) unsigned char dynamic[];
  [[maybe_unused]] const LaunchScope scope{};
  const AttendCta cta{this_cta().index, this_cta().count, static_cast<int>(blockIdx.y),
                      static_cast<int>(blockIdx.z)};
  attend_block<kKeys, kHeads, kFp8>(
      params, cta, *reinterpret_cast<attend::Shared<kKeys, kHeads>*>(dynamic), LaunchGate{});
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
