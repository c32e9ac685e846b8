// Two cache writers that quantise: one casts a row to fp8, one makes the 656-byte row with its four
// scales.
//
// A thread takes eight elements: one 16-byte load, eight conversions, one 8-byte store. kWide is
// false where addresses or strides are not multiples of 16 bytes; then the same thread goes element
// by element.
//
// The cast: threads (x) stand over the nope part, then over the rope part. The 656-byte row: warps
// 0 and 1 hold the 512 latents, 16 lanes to a group of 128 whose maximum they find by shuffles, and
// eight lanes of warp 2 the rope part.
//
// PDL: as set_mla_kv_buffer: trigger at entry, addresses, wait, then slot and row in one round trip
// to memory.
#pragma once

#include <type_traits>

#include "ops/set_mla_kv_buffer_fp8/params.h"
#include "ops/support/convert.cuh"
#include "ops/support/memory.cuh"
#include "ops/support/quantize.cuh"
#include "ops/support/row_blocks.h"
#include "slipstream/pdl.cuh"

namespace slipstream::ops {

// Eight elements of one part of a row: where they are, where they go and how many exist.
struct RowPiece {
  const std::uint16_t* source;
  int target;  // in the row of the cache
  int count;
};

__device__ __forceinline__ RowPiece cast_piece(const SetMlaKvBufferFp8Params& params,
                                               std::int64_t token, int index) {
  const int nope_pieces = (params.nope + kPack - 1) / kPack;
  const bool in_nope = index < nope_pieces;
  const int element = (in_nope ? index : index - nope_pieces) * kPack;
  const std::uint16_t* row =
      in_nope ? params.cache_k_nope.row(token) : params.cache_k_rope.row(token);
  return {row + element, in_nope ? element : params.nope + element,
          min(kPack, (in_nope ? params.nope : params.rope) - element)};
}

template <bool kWide>
__device__ __forceinline__ uint4 load_elements(const RowPiece& piece) {
  using Unit = std::conditional_t<kWide, uint4, std::uint16_t>;
  return load_units<Unit, uint4>(piece.source, piece.count);
}

template <bool kWide>
__device__ __forceinline__ void store_codes(std::uint8_t* row, const RowPiece& piece, uint2 codes) {
  using Unit = std::conditional_t<kWide, uint2, std::uint8_t>;
  store_units<Unit, uint2>(row + piece.target, codes, piece.count);
}

template <bool kWide>
__device__ __forceinline__ void cast_and_store(const SetMlaKvBufferFp8Params& params,
                                               std::int64_t slot, const RowPiece& piece,
                                               uint4 packed) {
  float values[kPack];
  unpack(packed, params.input_dtype, values);
  store_codes<kWide>(params.kv_buffer.row(slot), piece, to_fp8(values, params.output_dtype));
}

template <bool kWide>
__global__ void __launch_bounds__(kMaxRowBlockThreads)
    set_mla_kv_buffer_fp8_kernel(const __grid_constant__ SetMlaKvBufferFp8Params params) {
  pdl::trigger();
  const std::int64_t token = static_cast<std::int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  const RowPiece first = cast_piece(params, token, static_cast<int>(threadIdx.x));
  const void* slot_address = index_address(params.slots.loc, token);

  settle(first.source, slot_address);
  pdl::wait();
  if (token >= params.tokens) return;
  uint4 packed = load_elements<kWide>(first);
  const std::int64_t slot = load_index(params.slots.loc, slot_address);
  keep(packed);
  if (!admit_slot(params.slots, slot, threadIdx.x == 0)) return;
  cast_and_store<kWide>(params, slot, first, packed);
#pragma unroll 1
  for (int i = static_cast<int>(threadIdx.x + blockDim.x);; i += static_cast<int>(blockDim.x)) {
    const RowPiece piece = cast_piece(params, token, i);
    if (piece.count <= 0) return;
    cast_and_store<kWide>(params, slot, piece, load_elements<kWide>(piece));
  }
}

// Threads of a 656-byte row: whole warps, so that a warp is all latents or all rope.
inline constexpr int kRow656Latents = Fp8Row656::kNope / kPack;
inline constexpr int kRow656Ropes = Fp8Row656::kRope / kPack;
inline constexpr int kRow656Threads = 96;

// Thread `lane` of the row: the latents first, then the rope part.
__device__ __forceinline__ RowPiece piece_656(const SetMlaKvBufferFp8Row656Params& params,
                                              std::int64_t token, int lane) {
  if (lane < kRow656Latents) {
    const int element = lane * kPack;
    return {params.cache_k_nope.row(token) + element, element, kPack};
  }
  const int element = (lane - kRow656Latents) * kPack;
  return {params.cache_k_rope.row(token) + element, Fp8Row656::kRopeOffset + 2 * element, kPack};
}

// One group of 128 is 16 lanes; all lanes of the warp take part.
template <bool kWide>
__device__ __forceinline__ void store_latents(std::uint8_t* row, const RowPiece& piece,
                                              const float (&values)[kPack], bool power_of_two) {
  constexpr int kLanes = Fp8Row656::kGroup / kPack;
  constexpr ScaleRule kRule{Fp8Row656::kEps, {448.0F, 1.0F / 448.0F}, false};
  ScaleRule rule = kRule;
  rule.power_of_two = power_of_two;
  const Divisor scale = group_scale(group_max(largest_magnitude(values), kLanes), rule);
  float quotients[kPack];
#pragma unroll
  for (int i = 0; i < kPack; ++i) quotients[i] = divide(values[i], scale);
  store_codes<kWide>(row, piece, to_fp8(quotients, DType::kFloat8E4M3));
  if (threadIdx.x % kLanes == 0) {
    using Unit = std::conditional_t<kWide, float, std::uint8_t>;
    const int group = piece.target / Fp8Row656::kGroup;
    store_units<Unit, float>(row + Fp8Row656::kScaleOffset + 4 * group, scale.value, 4);
  }
}

template <bool kWide>
__global__ void __launch_bounds__(kMaxRowBlockThreads)
    set_mla_kv_buffer_fp8_656_kernel(const __grid_constant__ SetMlaKvBufferFp8Row656Params params) {
  pdl::trigger();
  const std::int64_t token = static_cast<std::int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  const int lane = static_cast<int>(threadIdx.x);
  const RowPiece piece = piece_656(params, token, lane);
  const void* slot_address = index_address(params.slots.loc, token);

  settle(piece.source, slot_address);
  pdl::wait();
  if (token >= params.tokens || lane >= kRow656Latents + kRow656Ropes) return;
  uint4 packed = load_elements<kWide>(piece);
  const std::int64_t slot = load_index(params.slots.loc, slot_address);
  keep(packed);
  if (!admit_slot(params.slots, slot, lane == 0)) return;
  std::uint8_t* row = params.kv_buffer.row(slot);
  float values[kPack];
  unpack(packed, params.input_dtype, values);
  if (lane < kRow656Latents) {
    store_latents<kWide>(row, piece, values, params.power_of_two_scales);
  } else {
    using Unit = std::conditional_t<kWide, uint4, std::uint8_t>;
    store_units<Unit, uint4>(row + piece.target, pack<DType::kBFloat16>(values), 16);
  }
}

}  // namespace slipstream::ops
