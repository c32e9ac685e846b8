// Sparse MLA attention in its absorbed form, split over keys: 16 heads of one token per CTA.
//
// A CTA takes every splits-th chunk of 64 keys of its token's list: it gathers their rows into
// shared memory as bf16 (656-byte rows are dequantised on the way), multiplies them with the
// queries (each warp 16 keys), and adds the weighted latents to its sums (each warp 128 columns),
// with the usual running maximum. The next launch combines the splits.
//
// PDL: nothing but shared addresses before the wait.
#pragma once

#include "engine/kernels/attend/params.h"
#include "engine/kernels/support/lanes.cuh"
#include "engine/kernels/support/launch_scope.cuh"
#include "engine/kernels/support/tensor_core.cuh"

namespace slipstream::engine::kernels {
namespace attend {

inline constexpr int kWarps = 4;
inline constexpr int kHeads = 16;
inline constexpr int kKeys = 64;
// Eight more elements put neighbouring rows on different banks.
inline constexpr int kRowStride = kLatentRow + 8;
inline constexpr int kProbabilityStride = kKeys + 8;
inline constexpr int kWarpColumns = kLatent / kWarps;

struct Shared {
  __nv_bfloat16 keys[kKeys][kRowStride];
  __nv_bfloat16 queries[kHeads][kRowStride];
  __nv_bfloat16 probabilities[kHeads][kProbabilityStride];
  float largest[kWarps][kHeads];
  float sums[kWarps][kHeads];
};

__device__ __forceinline__ void store_zero(__nv_bfloat16* target) {
  *reinterpret_cast<uint4*>(target) = make_uint4(0, 0, 0, 0);
}

// [absorbed 512 | rotated 64] of 16 heads; heads that do not exist are zero.
__device__ __forceinline__ void load_queries(const AttendParams& params, int token, int first_head,
                                             const StepRow& place, Shared& shared) {
  constexpr int kPieces = kLatent / 8;
  for (int i = threadIdx.x; i < kHeads * kPieces; i += kWarps * 32) {
    const int head = first_head + i / kPieces;
    __nv_bfloat16* target = &shared.queries[i / kPieces][i % kPieces * 8];
    if (head < params.heads) {
      const std::int64_t row = std::int64_t{token} * params.heads + head;
      *reinterpret_cast<uint4*>(target) =
          *reinterpret_cast<const uint4*>(params.absorbed.get() + row * kLatent + i % kPieces * 8);
    } else {
      store_zero(target);
    }
  }
  const float* rope = rope_row(params.rope, place.position);
  for (int i = threadIdx.x; i < kHeads * kRope / 2; i += kWarps * 32) {
    const int head = first_head + i / (kRope / 2);
    const int pair = i % (kRope / 2);
    std::uint32_t turned = 0;
    if (head < params.heads) {
      const std::int64_t row = std::int64_t{token} * params.heads + head;
      const __nv_bfloat16* source =
          params.queries.get() + (row + 1) * params.head_dim - kRope + 2 * pair;
      const float2 value = rotate_pair({__bfloat162float(source[0]), __bfloat162float(source[1])},
                                       rope[pair], rope[kRope / 2 + pair]);
      turned = ops::pack_pair<DType::kBFloat16>(value.x, value.y);
    }
    *reinterpret_cast<std::uint32_t*>(&shared.queries[i / (kRope / 2)][kLatent + 2 * pair]) =
        turned;
  }
}

__device__ __forceinline__ void copy_bf16_row(const std::byte* row, __nv_bfloat16* target) {
  for (int piece = threadIdx.x % 32; piece < kLatentRow / 8; piece += 32) {
    reinterpret_cast<uint4*>(target)[piece] = reinterpret_cast<const uint4*>(row)[piece];
  }
}

// Lane l dequantises latents 16 l to 16 l + 15 and copies one pair of the rotated key.
__device__ __forceinline__ void copy_fp8_row(const std::byte* row, __nv_bfloat16* target) {
  const int lane = threadIdx.x % 32;
  const uint4 codes = reinterpret_cast<const uint4*>(row)[lane];
  const float scale = reinterpret_cast<const float*>(row + kLatent)[lane / 8];
  const std::uint32_t words[] = {codes.x, codes.y, codes.z, codes.w};
#pragma unroll
  for (int i = 0; i < 8; ++i) {
    const std::uint32_t pair = words[i / 2] >> (i % 2 * 16);
    const float low = from_code(static_cast<std::uint8_t>(pair)) * scale;
    const float high = from_code(static_cast<std::uint8_t>(pair >> 8)) * scale;
    reinterpret_cast<std::uint32_t*>(target)[lane * 8 + i] =
        ops::pack_pair<DType::kBFloat16>(low, high);
  }
  reinterpret_cast<std::uint32_t*>(target + kLatent)[lane] =
      reinterpret_cast<const std::uint32_t*>(row + kFp8RowBytes - kRope * 2)[lane];
}

// Each warp gathers 16 rows; rows beyond the list are zero.
__device__ __forceinline__ void load_keys(const AttendParams& params, int token,
                                          const StepRow& place, int first, int keys,
                                          Shared& shared) {
  const bool listed = params.lists.get() != nullptr && place.position >= params.index_topk;
  const int* list = params.lists.get() + token * params.index_topk;
  for (int i = threadIdx.x / 32; i < kKeys; i += kWarps) {
    __nv_bfloat16* target = shared.keys[i];
    if (first + i >= keys) {
      for (int piece = threadIdx.x % 32; piece < kLatentRow / 8; piece += 32) {
        store_zero(target + piece * 8);
      }
      continue;
    }
    const std::int64_t slot = listed ? list[first + i] : params.places.slot(place, first + i);
    if (params.fp8_rows) {
      copy_fp8_row(params.cache.get() + slot * kFp8RowBytes, target);
    } else {
      copy_bf16_row(params.cache.get() + slot * kLatentRow * 2, target);
    }
  }
}

// Products of the 16 queries with the warp's 16 keys, scaled; keys beyond the list get -inf.
__device__ __forceinline__ void multiply_keys(const AttendParams& params, int keys_left,
                                              const Shared& shared, float (&products)[2][4]) {
  const int lane = threadIdx.x % 32;
  const int first_key = threadIdx.x / 32 * 16;
  const std::uint32_t query =
      shared_address(&shared.queries[lane / 8 % 2 * 8 + lane % 8][lane / 16 * 8]);
  const std::uint32_t key =
      shared_address(&shared.keys[first_key + lane / 16 * 8 + lane % 8][lane / 8 % 2 * 8]);
#pragma unroll 4
  for (int step = 0; step < kLatentRow / 16; ++step) {
    const uint4 a = load_matrices(query + step * 32);
    const uint4 b = load_matrices(key + step * 32);
    multiply_bf16(products[0], a, b.x, b.y);
    multiply_bf16(products[1], a, b.z, b.w);
  }
#pragma unroll
  for (int half = 0; half < 2; ++half) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int index = first_key + half * 8 + lane % 4 * 2 + i % 2;
      products[half][i] = index < keys_left ? products[half][i] * params.scale : -INFINITY;
    }
  }
}

// A lane's two heads, g and g + 8.
struct RunningSoftmax {
  float largest[2] = {-INFINITY, -INFINITY};
  float sum[2] = {0, 0};
};

// Turns products into probabilities relative to the new maximum, in shared memory; returns in
// `rescale` what older sums are to be multiplied with. Two barriers; the second one also shows the
// probabilities.
__device__ __forceinline__ void update_softmax(float (&products)[2][4], Shared& shared,
                                               RunningSoftmax& softmax, float (&rescale)[2]) {
  const int lane = threadIdx.x % 32;
  const int warp = threadIdx.x / 32;
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const float largest = lane_max<4>(fmaxf(fmaxf(products[0][2 * r], products[0][2 * r + 1]),
                                            fmaxf(products[1][2 * r], products[1][2 * r + 1])));
    if (lane % 4 == 0) shared.largest[warp][lane / 4 + r * 8] = largest;
  }
  __syncthreads();
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int head = lane / 4 + r * 8;
    float largest = softmax.largest[r];
    for (int other = 0; other < kWarps; ++other) {
      largest = fmaxf(largest, shared.largest[other][head]);
    }
    rescale[r] = exp2f(softmax.largest[r] - largest);
    softmax.largest[r] = largest;
    float sum = 0;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float p0 = exp2f(products[half][2 * r] - largest);
      const float p1 = exp2f(products[half][2 * r + 1] - largest);
      sum += p0 + p1;
      const int key = warp * 16 + half * 8 + lane % 4 * 2;
      *reinterpret_cast<std::uint32_t*>(&shared.probabilities[head][key]) =
          ops::pack_pair<DType::kBFloat16>(p0, p1);
    }
    sum += __shfl_xor_sync(kAllLanes, sum, 1);
    sum += __shfl_xor_sync(kAllLanes, sum, 2);
    if (lane % 4 == 0) shared.sums[warp][head] = sum;
  }
  __syncthreads();
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    float sum = 0;
    for (int other = 0; other < kWarps; ++other) sum += shared.sums[other][lane / 4 + r * 8];
    softmax.sum[r] = softmax.sum[r] * rescale[r] + sum;
  }
}

using Latents = float[kWarpColumns / 8][4];

// latents = latents * rescale + probabilities x the warp's 128 columns of the keys.
__device__ __forceinline__ void add_latents(const Shared& shared, const float (&rescale)[2],
                                            Latents& latents) {
  const int lane = threadIdx.x % 32;
  const int first_column = threadIdx.x / 32 * kWarpColumns;
#pragma unroll
  for (auto& tile : latents) {
#pragma unroll
    for (int i = 0; i < 4; ++i) tile[i] *= rescale[i / 2];
  }
  const std::uint32_t probability =
      shared_address(&shared.probabilities[lane / 8 % 2 * 8 + lane % 8][lane / 16 * 8]);
  const std::uint32_t key =
      shared_address(&shared.keys[lane / 8 % 2 * 8 + lane % 8][first_column + lane / 16 * 8]);
#pragma unroll
  for (int step = 0; step < kKeys / 16; ++step) {
    const uint4 a = load_matrices(probability + step * 32);
#pragma unroll
    for (int pair = 0; pair < kWarpColumns / 16; ++pair) {
      const uint4 b = load_matrices_transposed(key + step * 16 * kRowStride * 2 + pair * 32);
      multiply_bf16(latents[2 * pair], a, b.x, b.y);
      multiply_bf16(latents[2 * pair + 1], a, b.z, b.w);
    }
  }
}

__device__ __forceinline__ void store_split(const AttendParams& params, int token, int first_head,
                                            int split, const RunningSoftmax& softmax,
                                            const Latents& latents) {
  const int lane = threadIdx.x % 32;
#pragma unroll
  for (int r = 0; r < 2; ++r) {
    const int head = first_head + lane / 4 + r * 8;
    if (head >= params.heads) continue;
    const std::int64_t index = (std::int64_t{token} * params.heads + head) * params.splits + split;
    if (threadIdx.x < 32 && lane % 4 == 0) {
      params.weights.get()[index] = {softmax.largest[r], softmax.sum[r]};
    }
    if (softmax.sum[r] == 0) continue;
    float* target = params.partials.get() + index * kLatent + threadIdx.x / 32 * kWarpColumns;
#pragma unroll
    for (int tile = 0; tile < kWarpColumns / 8; ++tile) {
      // Not normalised: the combination divides once.
      *reinterpret_cast<float2*>(target + tile * 8 + lane % 4 * 2) = {latents[tile][2 * r],
                                                                      latents[tile][2 * r + 1]};
    }
  }
}

}  // namespace attend

__global__ void __launch_bounds__(attend::kWarps * 32, 2)
    attend_kernel(const __grid_constant__ AttendParams params) {
  using namespace attend;
  extern __shared__ __align__(128) unsigned char dynamic[];
  Shared& shared = *reinterpret_cast<Shared*>(dynamic);
  [[maybe_unused]] const LaunchScope scope{};
  pdl::trigger();
  const int split = static_cast<int>(blockIdx.x);
  const int first_head = static_cast<int>(blockIdx.y) * kHeads;
  const int token = static_cast<int>(blockIdx.z);

  pdl::wait();
  const StepRow place = params.places.rows.get()[token];
  const bool all = params.lists.get() == nullptr;
  const int keys = all ? place.position + 1 : min(place.position + 1, params.index_topk);
  RunningSoftmax softmax;
  Latents latents = {};
  if (split * kKeys < keys) load_queries(params, token, first_head, place, shared);
  for (int first = split * kKeys; first < keys; first += params.splits * kKeys) {
    __syncthreads();  // the chunk before has been used
    load_keys(params, token, place, first, keys, shared);
    __syncthreads();
    float products[2][4] = {};
    multiply_keys(params, keys - first, shared, products);
    float rescale[2];
    update_softmax(products, shared, softmax, rescale);
    add_latents(shared, rescale, latents);
  }
  store_split(params, token, first_head, split, softmax, latents);
}

}  // namespace slipstream::engine::kernels
