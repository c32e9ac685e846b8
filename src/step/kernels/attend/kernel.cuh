// Sparse MLA attention in its absorbed form, split over keys: 8 or 16 heads of one token per CTA.
//
// A CTA takes every splits-th chunk of 16 or 32 keys of its token's list: it gathers their rows
// into shared memory as bf16 while it works on the chunks before, multiplies them with the queries
// (the warps share out keys and columns), and adds the weighted latents to its sums (each warp 64
// columns), with the usual running maximum. Products are of 16 heads: of 8, each counts twice. The
// next launch combines the splits.
//
// PDL: the token's place and what rotates its queries before the wait, and of keys and absorbed queries what the
// launch right before did not make.
#pragma once

#include "cuda/tensor_core.cuh"
#include "step/kernels/attend/queries.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace attend {

// Products of the queries with 16 or 32 keys over a part of the columns, to shared memory.
template <class T>
__device__ __forceinline__ void multiply_keys(int stage, Shared<T>& shared) {
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
  constexpr int kTiles = T::kWarpTiles;
  constexpr int kShares = T::kKeyTiles / kTiles;
  if (kTiles > 1 && warp >= T::kParts * kShares) return;
  const int first_key = warp % kShares * kTiles * 16;
  const int part = warp / kShares;
  constexpr int kPartSteps = kSteps / T::kParts;  // the first kLongParts have one more
  constexpr int kLongParts = kSteps % T::kParts;
  const int first_step = part * kPartSteps + min(part, kLongParts);
  const uint32_t query =
      cuda::shared_address(&shared.queries[lane % 16 % T::kHeads][lane / 16 * 8]);
  const uint32_t key = cuda::shared_address(
      &shared.keys[stage][first_key + lane / 16 * 8 + lane % 8][lane / 8 % 2 * 8]);
  float products[2 * kTiles][4] = {};
  const auto multiply = [&](int step) {
    const uint4 a = cuda::load_matrices(query + step * 32);
#pragma unroll
    for (int tile = 0; tile < kTiles; ++tile) {
      const uint4 b = cuda::load_matrices(key + tile * 16 * kRowStride * 2 + step * 32);
      cuda::multiply_bf16(products[2 * tile], a, b.x, b.y);
      cuda::multiply_bf16(products[2 * tile + 1], a, b.z, b.w);
    }
  };
#pragma unroll
  for (int i = 0; i < kPartSteps; ++i) multiply(first_step + i);
  if (part < kLongParts) multiply(first_step + kPartSteps);
#pragma unroll
  for (int tile = 0; tile < 2 * kTiles; ++tile) {
#pragma unroll
    for (int r = 0; r < T::kHeads / 8; ++r) {
      const int column = first_key + tile * 8 + lane % 4 * 2;
      *reinterpret_cast<float2*>(&shared.products[part][lane / 4 + r * 8][column]) = {
          products[tile][2 * r], products[tile][2 * r + 1]};
    }
  }
}

// Of head threadIdx.x / kHeadThreads, the same in all of its threads; where all keys are taken at once,
// `sum` is of the thread's own.
struct RunningSoftmax {
  float largest = -INFINITY;
  float sum = 0;
};

template <class T>
__device__ __forceinline__ float sum_of_head(float sum) {
#pragma unroll
  for (int distance = 1; distance < T::kHeadThreads; distance *= 2) {
    sum += __shfl_xor_sync(kAllLanes, sum, distance);
  }
  return sum;
}

// Turns products into probabilities relative to the new maximum, in shared memory, with what older
// sums are to be multiplied with. Keys beyond keys_left have none.
template <class T>
__device__ __forceinline__ void update_softmax(const AttendParams& params, int keys_left,
                                               Shared<T>& shared, RunningSoftmax& softmax) {
  constexpr int kThreadKeys = T::kKeys / T::kHeadThreads;
  const int head = threadIdx.x / T::kHeadThreads;
  if (!has_head<T, T::kHeadThreads>()) return;
  float exponents[kThreadKeys];
  float largest = softmax.largest;
#pragma unroll
  for (int i = 0; i < kThreadKeys; ++i) {
    const int key = static_cast<int>(threadIdx.x) % T::kHeadThreads + i * T::kHeadThreads;
    float sum = 0;
#pragma unroll
    for (int part = 0; part < T::kParts; ++part) sum += shared.products[part][head][key];
    exponents[i] = key < keys_left ? sum * params.scale : -INFINITY;
    largest = fmaxf(largest, exponents[i]);
  }
  if constexpr (T::kAtOnce) {
    largest = warp_max(largest);
  } else {
    largest = lane_max<T::kHeadThreads>(largest);
  }
  [[maybe_unused]] const float rescale = exp2f(softmax.largest - largest);
  float sum = 0;
#pragma unroll
  for (int i = 0; i < kThreadKeys; ++i) {
    const float probability = exp2f(exponents[i] - largest);
    shared.probabilities[head][threadIdx.x % T::kHeadThreads + i * T::kHeadThreads] =
        __float2bfloat16_rn(probability);
    sum += probability;
  }
  if constexpr (T::kAtOnce) {
    softmax.sum = sum;
  } else {
    sum = sum_of_head<T>(sum);
    if (threadIdx.x % T::kHeadThreads == 0) shared.rescale[head] = rescale;
    softmax.sum = softmax.sum * rescale + sum;
  }
  softmax.largest = largest;
}

template <class T>
using Latents = float[T::kWarpColumns / 8][4];

// latents = latents * rescale + probabilities x the warp's 64 columns of the keys.
template <class T>
__device__ __forceinline__ void add_latents(int stage, const Shared<T>& shared,
                                            Latents<T>& latents) {
  const int lane = threadIdx.x % 32;
  const int first_column = threadIdx.x / 32 * T::kWarpColumns;
  if constexpr (!T::kAtOnce) {
    const float rescale[] = {shared.rescale[lane / 4], shared.rescale[(lane / 4 + 8) % T::kHeads]};
#pragma unroll
    for (auto& tile : latents) {
#pragma unroll
      for (int i = 0; i < 4; ++i) tile[i] *= rescale[i / 2];
    }
  }
  const uint32_t probability =
      cuda::shared_address(&shared.probabilities[lane % 16 % T::kHeads][lane / 16 * 8]);
  const uint32_t key = cuda::shared_address(
      &shared.keys[stage][lane / 8 % 2 * 8 + lane % 8][first_column + lane / 16 * 8]);
#pragma unroll
  for (int step = 0; step < T::kKeyTiles; ++step) {
    const uint4 a = cuda::load_matrices(probability + step * 32);
#pragma unroll
    for (int pair = 0; pair < T::kWarpColumns / 16; ++pair) {
      const uint4 b = cuda::load_matrices_transposed(key + step * 16 * kRowStride * 2 + pair * 32);
      cuda::multiply_bf16(latents[2 * pair], a, b.x, b.y);
      cuda::multiply_bf16(latents[2 * pair + 1], a, b.z, b.w);
    }
  }
}

// Not normalized: the combination divides once. The latents of no keys are not stored.
template <class T>
__device__ __forceinline__ void store_split(const AttendParams& params, int token, int first_head,
                                            int split, bool has_keys, const RunningSoftmax& softmax,
                                            const Latents<T>& latents) {
  const int64_t first_row = int64_t{token} * params.heads + first_head;
  const int own_head = threadIdx.x / T::kHeadThreads;
  float sum = softmax.sum;
  if constexpr (T::kAtOnce) sum = sum_of_head<T>(sum);
  if (threadIdx.x % T::kHeadThreads == 0 && has_head<T, T::kHeadThreads>() &&
      first_head + own_head < params.heads) {
    params.weights.get()[(first_row + own_head) * params.splits + split] = {softmax.largest, sum};
  }
  if (!has_keys) return;
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int r = 0; r < T::kHeads / 8; ++r) {
    const int head = lane / 4 + r * 8;
    if (first_head + head >= params.heads) continue;
    const int first_column = static_cast<int>(threadIdx.x) / 32 * T::kWarpColumns;
    float* target = params.partials.get() +
                    part_index(first_row + head, first_column, params.splits) +
                    split * kPartColumns + lane % 4 * 4;
#pragma unroll
    for (int pair = 0; pair < T::kWarpColumns / kPartColumns; ++pair) {
      const auto& low = latents[2 * pair];
      const auto& high = latents[2 * pair + 1];
      *reinterpret_cast<float4*>(target + pair * kPartColumns * params.splits) = {
          low[2 * r], low[2 * r + 1], high[2 * r], high[2 * r + 1]};
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

template <class T, bool kFp8, class Gate>
__device__ __forceinline__ void attend_block(const AttendParams& params, AttendCta cta,
                                             attend::Shared<T>& shared, Gate gate) {
  using namespace attend;
  const int first_head = cta.head_tile * T::kHeads;
  const int token = cta.token;
  // Chunks that are on their way at once. What has 8 heads has one chunk; fp8 rows take registers.
  constexpr int kAhead = T::kStages == 1 || kFp8 ? 1 : 2;
  const int step = cta.splits * T::kKeys;
  const int first_key = cta.split * T::kKeys;
  int first = first_key;

  Rows<T, kFp8> rows(&shared.arrived[warp_index()]);
  // What is known to be read goes first, and next what the token's place tells: loads one after the other
  // would take longer than the launch before.
  const uint2 rope_part = read_rope_part<T>(params, token, first_head);
  const int first_slot = token * params.index_topk;
  const int* const settled_list =
      params.settled_lists.get() == nullptr ? nullptr : params.settled_lists.get() + first_slot;
  const int settled_slot =
      settled_list == nullptr ? 0 : KeyList::listed<T>(params, settled_list, first_key);
  const StepRow place = params.places.rows.get()[token];
  const bool all = params.lists.get() == nullptr && params.settled_lists.get() == nullptr;
  const bool listed = !all && place.position - params.list_age >= params.index_topk;
  const int keys = all ? place.position + 1 : min(place.position + 1, params.index_topk);
  const auto slot_of = [&](const int* list, int first) {
    return KeyList{params, place, list}.slot<T>(first);
  };
  const auto fetch = [&](const int* list, int first, int stage) {
    rows.fetch(params, slot_of(list, first), keys - first, shared.keys[stage]);
  };
  const auto fetch_first = [&](const int* list, int slot) {
    rows.fetch(params, slot, keys - first, shared.keys[0]);
    if constexpr (kAhead == 2) {
      if (first + step < keys) {
        fetch(list, first + step, 1);
      } else {
        cuda::commit_copies();  // of nothing: finish() counts
      }
    }
  };
  const bool early_keys = !listed || settled_list != nullptr;
  if (early_keys) {
    const int* const early_list = listed ? settled_list : nullptr;
    fetch_first(early_list, listed ? settled_slot : slot_of(nullptr, first));
  }
  const Rotation rotation = read_rotation(params, place.position);
  if (params.settled_absorbed.get() != nullptr) {
    fetch_absorbed(params, params.settled_absorbed.get(), token, first_head, shared);
  }
  store_rope_part(rotation, rope_part, shared);

  gate.pass();
  if (params.settled_absorbed.get() == nullptr) {
    fetch_absorbed(params, params.absorbed.get(), token, first_head, shared);
  }
  if (!early_keys) {
    const int* const list = params.lists.get() + first_slot;
    fetch_first(list, slot_of(list, first));
  } else if constexpr (kAhead == 2) {
    cuda::wait_async_copies();  // of the queries, which finish() does not wait for
  }
  const int* list = nullptr;
  if (listed) list = early_keys ? settled_list : params.lists.get() + first_slot;

  RunningSoftmax softmax;
  Latents<T> latents = {};
  const auto attend_to = [&](int stage, int keys_left) {
    multiply_keys(stage, shared);
    __syncthreads();
    update_softmax(params, keys_left, shared, softmax);
    __syncthreads();
    add_latents(stage, shared, latents);
  };
  if constexpr (T::kStages == 1) {
    if (first < keys) {
      rows.template finish<0>(shared.keys[0]);
      __syncthreads();
      attend_to(0, keys - first);
    }
  } else {
    for (int stage = 0; first < keys; stage ^= 1, first += step) {
      const int next = first + kAhead * step;
      rows.template finish<kAhead - 1>(shared.keys[stage]);
      __syncthreads();  // and no warp uses the other stage any more
      if (kAhead == 1 && next < keys) fetch(list, next, stage ^ 1);
      attend_to(stage, keys - first);
      if constexpr (kAhead == 2) {
        if (next < keys) {
          __syncthreads();  // no warp uses this stage any more
          fetch(list, next, stage);
        } else {
          cuda::commit_copies();
        }
      }
    }
  }
  cuda::wait_async_copies();  // of a CTA without keys
  store_split<T>(params, token, first_head, cta.split, first_key < keys, softmax, latents);
}

template <class T, bool kFp8>
__global__ void __launch_bounds__(T::kThreads)
    attend_kernel(const __grid_constant__ AttendParams params) {
  extern __shared__ __align__(128) unsigned char dynamic[];
  [[maybe_unused]] const LaunchScope scope{};
  const AttendCta cta{this_cta().index, this_cta().count, static_cast<int>(blockIdx.y),
                      static_cast<int>(blockIdx.z)};
  attend_block<T, kFp8>(params, cta, *reinterpret_cast<attend::Shared<T>*>(dynamic), LaunchGate{});
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
