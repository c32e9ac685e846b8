// Two cache writers that quantize: one casts a row to fp8, one makes the 656-byte row with its four
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

#include "cuda/convert.cuh"
#include "cuda/memory.cuh"
#include "cuda/quantize.cuh"
#include "ops/set_mla_kv_buffer_fp8/params.h"
#include "ops/support/row_blocks.h"
#include "ops/support/variant.cuh"

namespace slipstream::ops {
inline namespace SLIPSTREAM_VARIANT {

// Eight elements of one part of a row: where they are, where they go and how many exist.
struct RowPiece {
  const uint16_t* source;
  int target;  // in the row of the cache
  int count;
};

__device__ __forceinline__ RowPiece cast_piece(const SetMlaKvBufferFp8Params& params, int64_t token,
                                               int index) {
  const int nope_pieces = (params.nope + cuda::kPack - 1) / cuda::kPack;
  const bool in_nope = index < nope_pieces;
  const int element = (in_nope ? index : index - nope_pieces) * cuda::kPack;
  const uint16_t* row = in_nope ? params.cache_k_nope.row(token) : params.cache_k_rope.row(token);
  return {row + element, in_nope ? element : params.nope + element,
          min(cuda::kPack, (in_nope ? params.nope : params.rope) - element)};
}

template <bool kWide>
__device__ __forceinline__ uint4 load_elements(const RowPiece& piece) {
  using Unit = std::conditional_t<kWide, uint4, uint16_t>;
  return cuda::load_units<Unit, uint4>(piece.source, piece.count);
}

template <bool kWide>
__device__ __forceinline__ void store_codes(uint8_t* row, const RowPiece& piece, uint2 codes) {
  using Unit = std::conditional_t<kWide, uint2, uint8_t>;
  cuda::store_units<Unit, uint2>(row + piece.target, codes, piece.count);
}

template <bool kWide>
__device__ __forceinline__ void cast_and_store(const SetMlaKvBufferFp8Params& params, int64_t slot,
                                               const RowPiece& piece, uint4 packed) {
  float values[cuda::kPack];
  cuda::unpack(packed, params.input_dtype, values);
  store_codes<kWide>(params.kv_buffer.row(slot), piece, cuda::to_fp8(values, params.output_dtype));
}

template <bool kWide>
__global__ void __launch_bounds__(kMaxRowBlockThreads)
    set_mla_kv_buffer_fp8_kernel(const __grid_constant__ SetMlaKvBufferFp8Params params) {
  [[maybe_unused]] const LaunchScope scope{};
  pdl::trigger();
  const int64_t token = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  const RowPiece first = cast_piece(params, token, static_cast<int>(threadIdx.x));
  const void* slot_address = index_address(params.slots.loc, token);

  cuda::settle(first.source, slot_address);
  pdl::wait();
  if (token >= params.tokens) return;
  uint4 packed = load_elements<kWide>(first);
  const int64_t slot = load_index(params.slots.loc, slot_address);
  cuda::keep(packed);
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
inline constexpr int kRow656Latents = Fp8Row656::kNope / cuda::kPack;
inline constexpr int kRow656Ropes = Fp8Row656::kRope / cuda::kPack;
inline constexpr int kRow656Threads = 96;

// Thread `lane` of the row: the latents first, then the rope part.
__device__ __forceinline__ RowPiece piece_656(const SetMlaKvBufferFp8Row656Params& params,
                                              int64_t token, int lane) {
  if (lane < kRow656Latents) {
    const int element = lane * cuda::kPack;
    return {params.cache_k_nope.row(token) + element, element, cuda::kPack};
  }
  const int element = (lane - kRow656Latents) * cuda::kPack;
  return {params.cache_k_rope.row(token) + element, Fp8Row656::kRopeOffset + 2 * element,
          cuda::kPack};
}

// One group of 128 is 16 lanes; all lanes of the warp take part.
template <bool kWide>
__device__ __forceinline__ void store_latents(uint8_t* row, const RowPiece& piece,
                                              const float (&values)[cuda::kPack],
                                              bool power_of_two) {
  constexpr int kLanes = Fp8Row656::kGroup / cuda::kPack;
  constexpr cuda::ScaleRule kRule{Fp8Row656::kEps, {448.0F, 1.0F / 448.0F}, false};
  cuda::ScaleRule rule = kRule;
  rule.power_of_two = power_of_two;
  const cuda::Divisor scale =
      cuda::group_scale(cuda::group_max(cuda::largest_magnitude(values), kLanes), rule);
  float quotients[cuda::kPack];
#pragma unroll
  for (int i = 0; i < cuda::kPack; ++i) quotients[i] = cuda::divide(values[i], scale);
  store_codes<kWide>(row, piece, cuda::to_fp8(quotients, DType::kFloat8E4M3));
  if (threadIdx.x % kLanes == 0) {
    using Unit = std::conditional_t<kWide, float, uint8_t>;
    const int group = piece.target / Fp8Row656::kGroup;
    cuda::store_units<Unit, float>(row + Fp8Row656::kScaleOffset + 4 * group, scale.value, 4);
  }
}

template <bool kWide>
__global__ void __launch_bounds__(kMaxRowBlockThreads)
    set_mla_kv_buffer_fp8_656_kernel(const __grid_constant__ SetMlaKvBufferFp8Row656Params params) {
  [[maybe_unused]] const LaunchScope scope{};
  pdl::trigger();
  const int64_t token = static_cast<int64_t>(blockIdx.x) * blockDim.y + threadIdx.y;
  const int lane = static_cast<int>(threadIdx.x);
  const RowPiece piece = piece_656(params, token, lane);
  const void* slot_address = index_address(params.slots.loc, token);

  cuda::settle(piece.source, slot_address);
  pdl::wait();
  if (token >= params.tokens || lane >= kRow656Latents + kRow656Ropes) return;
  uint4 packed = load_elements<kWide>(piece);
  const int64_t slot = load_index(params.slots.loc, slot_address);
  cuda::keep(packed);
  if (!admit_slot(params.slots, slot, lane == 0)) return;
  uint8_t* row = params.kv_buffer.row(slot);
  float values[cuda::kPack];
  cuda::unpack(packed, params.input_dtype, values);
  if (lane < kRow656Latents) {
    store_latents<kWide>(row, piece, values, params.power_of_two_scales);
  } else {
    using Unit = std::conditional_t<kWide, uint4, uint8_t>;
    cuda::store_units<Unit, uint4>(row + piece.target, cuda::pack<DType::kBFloat16>(values), 16);
  }
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::ops
