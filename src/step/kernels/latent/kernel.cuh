// The query latent's norm and projections, and next to them CTAs that norm and rotate the new keys of
// four tokens each and write both caches. Where several ranks draft, these also empty the rows that
// the launch before this one took from a window.
//
// PDL: weights before the wait; projections, positions, page tables, caches and windows after it.
#pragma once

#include "step/kernels/latent/params.h"
#include "step/kernels/linear/kernel.cuh"
#include "step/kernels/support/variant.cuh"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {
namespace latent {

inline constexpr int kLaneLatents = kLatent / 32;
inline constexpr int kWriterTokens = kWarps / 2;  // of a CTA that writes caches

__device__ __forceinline__ void store_bf16_row(std::byte* row,
                                               const float (&values)[kLaneLatents]) {
  auto* target = reinterpret_cast<uint4*>(row) + threadIdx.x % 32 * 2;
  const float(&low)[8] = reinterpret_cast<const float(&)[8]>(values[0]);
  const float(&high)[8] = reinterpret_cast<const float(&)[8]>(values[8]);
  target[0] = cuda::pack<DType::kBFloat16>(low);
  target[1] = cuda::pack<DType::kBFloat16>(high);
}

// Eight lanes share a scale. A group of zeros has scale 1.
__device__ __forceinline__ void store_fp8_row(std::byte* row, const float (&values)[kLaneLatents],
                                              bool ue8m0) {
  const int lane = threadIdx.x % 32;
  float amax = 0;
#pragma unroll
  for (const float value : values) amax = fmaxf(amax, fabsf(value));
  amax = lane_max<8>(amax);
  cuda::Divisor scale{1.0F, 1.0F};
  if (amax > 0) scale = cuda::group_scale(amax, {0.0F, {448.0F, 1.0F / 448.0F}, ue8m0});
  float codes[kLaneLatents];
#pragma unroll
  for (int i = 0; i < kLaneLatents; ++i) codes[i] = cuda::divide(values[i], scale);
  reinterpret_cast<uint4*>(row)[lane] = {four_codes(codes[0], codes[1], codes[2], codes[3]),
                                         four_codes(codes[4], codes[5], codes[6], codes[7]),
                                         four_codes(codes[8], codes[9], codes[10], codes[11]),
                                         four_codes(codes[12], codes[13], codes[14], codes[15])};
  if (lane % 8 == 0) reinterpret_cast<float*>(row + kLatent)[lane / 8] = scale.value;
}

// One warp: norm of the latent, rotation of the key, one cache row.
__device__ __forceinline__ void write_latent(const CacheWriteParams& params, int token,
                                             const StepRow& place) {
  const int lane = threadIdx.x % 32;
  const __nv_bfloat16* kv = params.kv.get() + token * kLatentRow;
  float values[kLaneLatents];
  load_eight(kv + lane * kLaneLatents, reinterpret_cast<float(&)[8]>(values[0]));
  load_eight(kv + lane * kLaneLatents + 8, reinterpret_cast<float(&)[8]>(values[8]));
  float squares = 0;
#pragma unroll
  for (const float value : values) squares += value * value;
  const float factor = rsqrtf(warp_sum(squares) / kLatent + params.kv_eps);
#pragma unroll
  for (int i = 0; i < kLaneLatents; ++i) {
    const float gamma = params.kv_gamma.get()[lane * kLaneLatents + i];
    values[i] = gamma * (values[i] * factor);
  }
  round_to_bf16(values);

  const int row_bytes = params.fp8_rows ? kFp8RowBytes : kLatentRow * 2;
  std::byte* row =
      params.latent_cache.get() + params.places.slot(place, place.position) * row_bytes;
  if (params.fp8_rows) {
    store_fp8_row(row, values, params.ue8m0);
  } else {
    store_bf16_row(row, values);
  }
  const float* rope = rope_row(params.rope, place.position);
  const float2 pair = {__bfloat162float(kv[kLatent + 2 * lane]),
                       __bfloat162float(kv[kLatent + 2 * lane + 1])};
  const float2 turned = rotate_pair(pair, rope[lane], rope[kRope / 2 + lane]);
  reinterpret_cast<uint32_t*>(row + row_bytes - kRope * 2)[lane] =
      cuda::pack_pair<DType::kBFloat16>(turned.x, turned.y);
}

// One warp: LayerNorm, rotation, Hadamard transform (where it is wanted) and fp8 of the index key.
__device__ __forceinline__ void write_index_key(const CacheWriteParams& params, int token,
                                                const StepRow& place) {
  const int lane = threadIdx.x % 32;
  const __nv_bfloat16* key = params.keys.get() + token * kIndexWidth + lane * 4;
  float x[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) x[i] = __bfloat162float(key[i]);
  const float mean = warp_sum(x[0] + x[1] + x[2] + x[3]) / kIndexWidth;
  float squares = 0;
#pragma unroll
  for (const float value : x) squares += (value - mean) * (value - mean);
  const float factor = 1.0F / sqrtf(warp_sum(squares) / kIndexWidth + params.key_eps);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    x[i] = (x[i] - mean) * factor * params.key_gamma.get()[lane * 4 + i] +
           params.key_bias.get()[lane * 4 + i];
  }
  round_to_bf16(x);
  rotate_index(x, rope_row(params.rope, place.position), params.index_interleaved);
  if (params.index_hadamard) transform_index(x);
  const IndexCodes codes = index_codes(x);

  const int64_t slot = params.places.slot(place, place.position);
  std::byte* page = params.index_cache.get() + slot / kPageSize * kIndexPageBytes;
  const int row = static_cast<int>(slot % kPageSize);
  reinterpret_cast<uint32_t*>(page + row * kIndexWidth)[lane] = codes.codes;
  if (lane == 0) {
    reinterpret_cast<float*>(page + kPageSize * kIndexWidth)[row] = codes.scale;
  }
}

// Two warps.
__device__ __forceinline__ void empty_gathered(const GatheredRows& rows, int token) {
  constexpr int kLanes = 64;
  constexpr int kPairs = 4;  // of a store
  uint32_t* const row = rows.pairs.get() + int64_t{token} * rows.row_pairs;
  for (int pair = static_cast<int>(threadIdx.x) % kLanes * kPairs; pair < rows.row_pairs;
       pair += kLanes * kPairs) {
    Pairs<2 * kPairs>{}.store(row + pair);
  }
}

// One CTA: two warps for each token.
template <class Gate>
__device__ __forceinline__ void write_caches(const CacheWriteParams& params, int tokens, int block,
                                             Gate gate) {
  gate.pass();
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int token = block * kWriterTokens + warp / 2;
  if (token >= tokens) return;
  const StepRow place = params.places.rows.get()[token];
  if (warp % 2 == 0) {
    write_latent(params, token, place);
  } else if (params.keys.get() != nullptr) {
    write_index_key(params, token, place);
  }
  if (params.gathered.pairs.get() != nullptr) empty_gathered(params.gathered, token);
}

}  // namespace latent

// The first CTAs project, the others write caches; some of these have no tokens, and make the last
// cluster as large as the rest.
template <class Source, Breadth kBreadth, class Gate>
__device__ __forceinline__ void latent_block(const LatentLaunchOf<typename Source::Input>& params,
                                             Cta cta, unsigned char* memory, LinearShared& shared,
                                             Gate gate) {
  const int writer = cta.index - params.linear.ctas();
  if (writer < 0) {
    linear_block<Source, kBreadth>(params.linear, params.input, cta.index, memory, shared, gate);
  } else {
    latent::write_caches(params.cache, params.linear.tokens, writer, gate);
  }
}

template <class Source, Breadth kBreadth>
__global__ void __launch_bounds__(kThreads, 2)
    latent_kernel(const __grid_constant__ LatentLaunchOf<typename Source::Input> params) {
  extern __shared__ __align__(128) unsigned char memory[];
  __shared__ LinearShared shared;
  [[maybe_unused]] const LaunchScope scope{};
  latent_block<Source, kBreadth>(params, this_cta(), memory, shared, LaunchGate{});
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
