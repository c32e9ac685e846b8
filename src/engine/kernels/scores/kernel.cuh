// Index scores over the paged keys, and the absorbed queries in further CTAs of the same launch.
//
// A scoring CTA rotates, transforms and quantises its token's query heads itself (into tensor-core
// order in shared memory) and then takes every ctas_per_token-th page: each warp eight keys at a
// time against all heads.
//
// PDL: W_UK before the wait; queries, positions, caches and scores after it.
#pragma once

#include "engine/kernels/linear/kernel.cuh"
#include "engine/kernels/scores/params.h"

namespace slipstream::engine::kernels {
namespace scores {

inline constexpr int kMaxHeads = 64;
inline constexpr int kHeadTileBytes = 16 * kIndexWidth;

// In dynamic shared memory, in place of the rings.
struct Queries {
  unsigned char codes[kMaxHeads / 16 * kHeadTileBytes];
  float weights[kMaxHeads];
};

// Where four codes of a lane lie: columns 4 lane to 4 lane + 3 of row head % 16, in the order of
// linear/pack.h.
__device__ __forceinline__ int code_offset(int head, int lane) {
  const int row = head % 16;
  const int target_lane = row % 8 * 4 + lane / 8;
  const int step = lane % 8 / 2;
  return head / 16 * kHeadTileBytes + (step * 32 + target_lane) * 16 + lane % 2 * 8 + row / 8 * 4;
}

__device__ __forceinline__ void prepare_queries(const ScoreParams& params, int token,
                                                const StepRow& place, Queries& queries) {
  const int lane = threadIdx.x % 32;
  const int warps = static_cast<int>(blockDim.x) / 32;
  const float* rope = rope_row(params.rope, place.position);
  const int padded = (params.heads + 15) / 16 * 16;
  for (int head = threadIdx.x / 32; head < padded; head += warps) {
    IndexCodes codes{0, 0.0F};
    float weight = 0;
    if (head < params.heads) {
      const std::int64_t row = std::int64_t{token} * params.heads + head;
      const __nv_bfloat16* query = params.queries.get() + row * kIndexWidth + lane * 4;
      float x[4];
#pragma unroll
      for (int i = 0; i < 4; ++i) x[i] = __bfloat162float(query[i]);
      rotate_and_transform(x, rope, params.interleaved);
      codes = index_codes(x);
      weight = params.head_weights.get()[row] * params.constant * codes.scale;
    }
    *reinterpret_cast<std::uint32_t*>(queries.codes + code_offset(head, lane)) = codes.codes;
    if (lane == 0) queries.weights[head] = weight;
  }
  __syncthreads();
}

// Scores of eight keys, key lane / 4 given by each lane (null: there is none). Lanes 0 to 3 return
// those of keys 2 lane and 2 lane + 1, unscaled.
__device__ __forceinline__ float2 score_eight(const Queries& queries, int heads,
                                              const std::byte* key) {
  const int lane = threadIdx.x % 32;
  uint4 low = make_uint4(0, 0, 0, 0);
  uint4 high = low;
  if (key != nullptr) {
    const auto* source = reinterpret_cast<const uint4*>(key + lane % 4 * 32);
    low = source[0];
    high = source[1];
  }
  float2 sum = {0, 0};
  for (int tile = 0; tile < (heads + 15) / 16; ++tile) {
    float products[4] = {};
    const std::uint32_t codes = shared_address(queries.codes + tile * kHeadTileBytes) + lane * 16;
    multiply_fp8(products, ops::load_shared_16(codes), low.x, low.y);
    multiply_fp8(products, ops::load_shared_16(codes + 512), low.z, low.w);
    multiply_fp8(products, ops::load_shared_16(codes + 1024), high.x, high.y);
    multiply_fp8(products, ops::load_shared_16(codes + 1536), high.z, high.w);
    const float weight0 = queries.weights[tile * 16 + lane / 4];
    const float weight8 = queries.weights[tile * 16 + lane / 4 + 8];
    sum.x += weight0 * fmaxf(products[0], 0.0F) + weight8 * fmaxf(products[2], 0.0F);
    sum.y += weight0 * fmaxf(products[1], 0.0F) + weight8 * fmaxf(products[3], 0.0F);
  }
#pragma unroll
  for (int distance = 4; distance < 32; distance *= 2) {
    sum.x += __shfl_xor_sync(kAllLanes, sum.x, distance);
    sum.y += __shfl_xor_sync(kAllLanes, sum.y, distance);
  }
  return sum;
}

__device__ __forceinline__ void score_page(const ScoreParams& params, const Queries& queries,
                                           const std::byte* page, int first_position,
                                           int last_position, float* target) {
  const int lane = threadIdx.x % 32;
  const int warps = static_cast<int>(blockDim.x) / 32;
  const auto* scales = reinterpret_cast<const float*>(page + kPageSize * kIndexWidth);
  for (int first = threadIdx.x / 32 * 8; first < kPageSize; first += warps * 8) {
    const int own = first + lane / 4;
    const bool exists = first_position + own <= last_position;
    const float2 sum =
        score_eight(queries, params.heads, exists ? page + own * kIndexWidth : nullptr);
    if (lane >= 4) continue;
    const int key = first + lane * 2;
    if (first_position + key <= last_position) target[key] = sum.x * scales[key];
    if (first_position + key + 1 <= last_position) target[key + 1] = sum.y * scales[key + 1];
  }
}

__device__ __forceinline__ void score_block(const ScoreParams& params, int block,
                                            Queries& queries) {
  pdl::wait();
  const int token = block / params.ctas_per_token;
  const int first_page = block % params.ctas_per_token;
  const StepRow place = params.places.rows.get()[token];
  if (place.position < params.index_topk || first_page * kPageSize > place.position) return;
  prepare_queries(params, token, place, queries);
  float* row = params.scores.get() + token * params.score_stride;
  for (int page = first_page; page * kPageSize <= place.position; page += params.ctas_per_token) {
    const std::int64_t slot = params.places.slot(place, page * kPageSize);
    score_page(params, queries, params.index_cache.get() + slot / kPageSize * kIndexPageBytes,
               page * kPageSize, place.position, row + page * kPageSize);
  }
}

}  // namespace scores

template <int kTokenTiles>
__global__ void __launch_bounds__(kMaxWarps * 32, 2)
    score_kernel(const __grid_constant__ ScoreLaunch params) {
  extern __shared__ __align__(128) unsigned char dynamic[];
  __shared__ LinearShared shared;
  [[maybe_unused]] const LaunchScope scope{};
  pdl::trigger();
  const int block = static_cast<int>(blockIdx.x) - params.absorb.tile_count();
  if (block >= 0) {
    scores::score_block(params.score, block, *reinterpret_cast<scores::Queries*>(dynamic));
  } else {
    linear_block<PlainSource, kTokenTiles>(params.absorb, params.input,
                                           static_cast<int>(blockIdx.x), dynamic, shared);
  }
}

}  // namespace slipstream::engine::kernels
