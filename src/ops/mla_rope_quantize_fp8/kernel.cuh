// Rotates the rope parts of q and k and casts rope and nope parts to fp8.
//
// The grid is (heads of q and the one of k) x tokens. Threads (x) stand over a head's 512 + 64
// elements, eight each: first the nope part, then the rope part, so that with the usual sizes the
// rope lanes have a warp of their own and no warp holds both paths. A rope thread owns four pairs
// whatever the layout: one 16-byte load (interleaved) or two 8-byte loads (half- split). kWide is
// false where addresses, strides or sizes do not allow that; then threads go element by element.
//
// PDL: trigger at entry, addresses, wait. Then the nope lanes need one round trip to memory; the
// rope lanes load their position and their elements together and need a second one for the cosines
// and sines of that position.
#pragma once

#include <type_traits>

#include "cuda/convert.cuh"
#include "cuda/memory.cuh"
#include "ops/mla_rope_quantize_fp8/params.h"
#include "ops/support/rope.cuh"
#include "ops/support/row_blocks.h"
#include "ops/support/variant.cuh"

namespace slipstream::ops {
inline namespace SLIPSTREAM_VARIANT {

// Eight elements without rotation.
template <bool kWide>
__device__ __forceinline__ void quantize_nope(const MlaRopeQuantizeFp8Params& params,
                                              const MlaRopeQuantizeRows& rows, int element) {
  using LoadUnit = std::conditional_t<kWide, uint4, uint16_t>;
  using StoreUnit = std::conditional_t<kWide, uint2, uint8_t>;
  const int count = min(cuda::kPack, params.nope - element);
  float values[cuda::kPack];
  cuda::unpack(cuda::load_units<LoadUnit, uint4>(rows.nope + element, count), params.input_dtype,
               values);
#pragma unroll
  for (float& value : values) value *= rows.scale;
  cuda::store_units<StoreUnit, uint2>(rows.nope_out + element,
                                      cuda::to_fp8(values, params.output_dtype), count);
}

// Writes the codes of four pairs where the pairs came from.
template <bool kWide>
__device__ __forceinline__ void store_pair_codes(uint8_t* row, const RopeTable& table, int pair,
                                                 uint2 codes) {
  const int left = pairs_left(table, pair);
  if (table.layout == RopeLayout::kHalfSplit) {
    using Unit = std::conditional_t<kWide, uint32_t, uint8_t>;
    cuda::store_units<Unit, uint32_t>(row + pair, codes.x, left);
    cuda::store_units<Unit, uint32_t>(row + table.rope / 2 + pair, codes.y, left);
  } else {
    using Unit = std::conditional_t<kWide, uint2, uint8_t>;
    cuda::store_units<Unit, uint2>(row + 2 * pair, codes, 2 * left);
  }
}

template <bool kWide>
__device__ __forceinline__ void quantize_rope(const MlaRopeQuantizeFp8Params& params,
                                              const MlaRopeQuantizeRows& rows,
                                              const void* position_address, int pair) {
  const RopeTable& table = params.table;
  PackedPairs packed = load_pairs<kWide>(rows.rope, table, pair);
  const int64_t position = load_index(params.pos_ids, position_address);
  cuda::keep(packed.first);
  cuda::keep(packed.second);
  const Pairs rotated =
      rotate<kWide>(pairs_of(packed, table.layout, params.input_dtype), table, pair, position);
  float values[cuda::kPack];
  memory_order(rotated, table.layout, values);
#pragma unroll
  for (float& value : values) value *= rows.scale;
  store_pair_codes<kWide>(rows.rope_out, table, pair, cuda::to_fp8(values, params.output_dtype));
}

template <bool kWide>
__global__ void __launch_bounds__(kMaxRowBlockThreads)
    mla_rope_quantize_fp8_kernel(const __grid_constant__ MlaRopeQuantizeFp8Params params) {
  [[maybe_unused]] const LaunchScope scope{};
  pdl::trigger();
  const int head = static_cast<int>(blockIdx.x * blockDim.y + threadIdx.y);
  const int nope_pieces = (params.nope + cuda::kPack - 1) / cuda::kPack;
  const int pieces = nope_pieces + (params.table.rope / 2 + kPairsPerThread - 1) / kPairsPerThread;

  int64_t token = blockIdx.y;
  MlaRopeQuantizeRows rows = rows_of(params, token, head);
  const void* position_address = index_address(params.pos_ids, token);

  cuda::settle(rows.rope, rows.nope, rows.rope_out, rows.nope_out, position_address, pieces);
  pdl::wait();
  if (head > params.heads) return;
  while (true) {
#pragma unroll 1
    for (int piece = static_cast<int>(threadIdx.x); piece < pieces;
         piece += static_cast<int>(blockDim.x)) {
      if (piece < nope_pieces) {
        quantize_nope<kWide>(params, rows, piece * cuda::kPack);
      } else {
        quantize_rope<kWide>(params, rows, position_address,
                             (piece - nope_pieces) * kPairsPerThread);
      }
    }
    token += gridDim.y;
    if (token >= params.tokens) return;
    rows = rows_of(params, token, head);
    position_address = index_address(params.pos_ids, token);
  }
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::ops
