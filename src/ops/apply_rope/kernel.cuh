// Rotates query and key heads in place and, if asked, saves keys and values to their cache rows.
//
// The grid is rows x tokens, where the rows are the heads of query, of key and, with a save, of
// value. Threads (x) stand over a head: first the rotated part, four pairs each, then (only with a
// save) eight elements each of what is merely copied: the rest of a key head, a whole value head.
// Dimensions beyond the table's width are left where they are. RopeForm says what a kernel knows of
// its launch.
//
// PDL: addresses, wait, trigger (at entry it costs 0.1 us, in a chain of itself and next to another
// kernel alike). Position, slot and elements are loaded together, the cosines and sines of that
// position in a second round trip. Each thread stores exactly the elements that it loaded, so in place
// is safe.
#pragma once

#include <type_traits>

#include "cuda/convert.cuh"
#include "cuda/memory.cuh"
#include "ops/apply_rope/params.h"
#include "ops/support/rope.cuh"
#include "ops/support/row_blocks.h"
#include "ops/support/variant.cuh"

namespace slipstream::ops {
inline namespace SLIPSTREAM_VARIANT {

// What is known of a launch when its kernel is compiled. Less code is faster: each launch fetches its
// own anew.
enum class RopeForm {
  kAny,       // some address, stride or size is no multiple of 16 bytes: element by element
  kWide,      // none is
  kReleased,  // nor here, and heads are rotated as released models do it (is_released())
};

// bf16 heads of which 64 elements are rotated, pairs of neighbors; saved nowhere.
inline constexpr int kReleasedRope = 64;
template <RopeForm kForm>
__device__ __forceinline__ ApplyRopeParams known_params(const ApplyRopeParams& given) {
  ApplyRopeParams params = given;
  if constexpr (kForm == RopeForm::kReleased) {
    params.dtype = DType::kBFloat16;
    params.table.layout = RopeLayout::kInterleaved;
    params.table.rope = kReleasedRope;
    params.table.stride = kReleasedRope;
    params.positions.is_int64 = true;
    params.saves = false;
  }
  return params;
}

// One head of one token: what to rotate or copy, and where it is saved.
struct RopeHead {
  uint16_t* rotated;        // null for a value head
  const uint16_t* source;   // of what is saved
  HeadRows<uint16_t> save;  // the cache it goes to; null for a query head
  int head;                 // within its tensor
  const void* position_address;
  const void* slot_address;
  bool counts_drops;  // one head per token reports slots outside the cache
};

__device__ __forceinline__ RopeHead rope_head(const ApplyRopeParams& params, int64_t token,
                                              int row) {
  RopeHead result{};
  result.position_address = index_address(params.positions, token);
  result.slot_address = index_address(params.slots.loc, token);
  if (row < params.q_heads) {
    result.rotated = params.query.row(token, row);
  } else if (row < params.q_heads + params.kv_heads) {
    result.head = row - params.q_heads;
    result.rotated = params.key.row(token, result.head);
    result.source = result.rotated;
    result.save = params.k_buffer;
    result.counts_drops = result.head == 0;
  } else {
    result.head = row - params.q_heads - params.kv_heads;
    result.source = params.value.row(token, result.head);
    result.save = params.v_buffer;
  }
  return result;
}

// Writes four pairs where they came from, in a head of query, key or the cache.
template <bool kWide>
__device__ __forceinline__ void store_pairs(uint16_t* row, const RopeTable& table, int pair,
                                            uint4 bits) {
  const int left = pairs_left(table, pair);
  if (table.layout == RopeLayout::kHalfSplit) {
    using Unit = std::conditional_t<kWide, uint2, uint16_t>;
    cuda::store_units<Unit, uint2>(row + pair, uint2{bits.x, bits.y}, left);
    cuda::store_units<Unit, uint2>(row + table.rope / 2 + pair, uint2{bits.z, bits.w}, left);
  } else {
    using Unit = std::conditional_t<kWide, uint4, uint16_t>;
    cuda::store_units<Unit, uint4>(row + 2 * pair, bits, 2 * left);
  }
}

// The row of the cache that this head is saved to, or null: no save, a query head, or a slot that
// is not to be written.
__device__ __forceinline__ uint16_t* saved_row(const ApplyRopeParams& params, const RopeHead& head,
                                               int64_t slot, bool counts) {
  if (head.save.data.get() == nullptr || !admit_slot(params.slots, slot, counts)) return nullptr;
  return head.save.row(slot, head.head);
}

template <bool kWide>
__device__ __forceinline__ void rotate_piece(const ApplyRopeParams& params, const RopeHead& head,
                                             int pair) {
  const RopeTable& table = params.table;
  PackedPairs packed = load_pairs<kWide>(head.rotated, table, pair);
  const int64_t slot = params.saves ? load_index(params.slots.loc, head.slot_address) : int64_t{0};
  const int64_t position = load_index(params.positions, head.position_address);
  cuda::keep(packed.first);
  cuda::keep(packed.second);
  const Pairs rotated =
      rotate<kWide>(pairs_of(packed, table.layout, params.dtype), table, pair, position);
  float values[cuda::kPack];
  memory_order(rotated, table.layout, values);
  const uint4 bits = cuda::pack(values, params.dtype);
  store_pairs<kWide>(head.rotated, table, pair, bits);
  if (!params.saves) return;
  uint16_t* saved = saved_row(params, head, slot, head.counts_drops && pair == 0);
  if (saved != nullptr) store_pairs<kWide>(saved, table, pair, bits);
}

template <bool kWide>
__device__ __forceinline__ void copy_piece(const ApplyRopeParams& params, const RopeHead& head,
                                           int element) {
  using Unit = std::conditional_t<kWide, uint4, uint16_t>;
  const int count = min(cuda::kPack, params.head_size - element);
  if (head.source == nullptr || count <= 0) return;
  uint4 packed = cuda::load_units<Unit, uint4>(head.source + element, count);
  const int64_t slot = load_index(params.slots.loc, head.slot_address);
  cuda::keep(packed);
  uint16_t* saved = saved_row(params, head, slot, false);
  if (saved != nullptr) cuda::store_units<Unit, uint4>(saved + element, packed, count);
}

// Rotated pieces of a row.
__device__ __forceinline__ int rope_pieces_of(const RopeTable& table) {
  return (table.rope / 2 + kPairsPerThread - 1) / kPairsPerThread;
}

// The calling thread's pieces of a head, of `pieces` in all.
template <bool kWide>
__device__ __forceinline__ void take_head(const ApplyRopeParams& params, const RopeHead& head,
                                          int pieces) {
  const int rope_pieces = rope_pieces_of(params.table);
#pragma unroll 1
  for (int piece = static_cast<int>(threadIdx.x); piece < pieces;
       piece += static_cast<int>(blockDim.x)) {
    // Key heads copy what follows the rotated part, value heads everything.
    const int skipped = head.rotated == nullptr ? 0 : params.table.rope;
    if (piece >= rope_pieces) {
      copy_piece<kWide>(params, head, skipped + (piece - rope_pieces) * cuda::kPack);
    } else if (head.rotated != nullptr) {
      rotate_piece<kWide>(params, head, piece * kPairsPerThread);
    }
  }
}

template <RopeForm kForm>
__global__ void __launch_bounds__(kMaxRowBlockThreads)
    apply_rope_kernel(const __grid_constant__ ApplyRopeParams given) {
  constexpr bool kWide = kForm != RopeForm::kAny;
  [[maybe_unused]] const LaunchScope scope{};
  const ApplyRopeParams params = known_params<kForm>(given);
  const int row = static_cast<int>(blockIdx.x * blockDim.y + threadIdx.y);
  const int rows = params.q_heads + (params.saves ? 2 : 1) * params.kv_heads;
  const int copied = params.saves ? params.head_size : 0;
  const int pieces = rope_pieces_of(params.table) + (copied + cuda::kPack - 1) / cuda::kPack;
  int64_t token = blockIdx.y;
  RopeHead head = rope_head(params, token, row);

  cuda::settle(head.rotated, head.source, head.position_address, head.slot_address, pieces);
  pdl::wait();
  pdl::trigger();
  if (row >= rows) return;
  if constexpr (kForm == RopeForm::kReleased) {
    // Every piece has a thread, every token a CTA.
    rotate_piece<kWide>(params, head, static_cast<int>(threadIdx.x) * kPairsPerThread);
  } else {
    while (true) {
      take_head<kWide>(params, head, pieces);
      token += gridDim.y;
      if (token >= params.tokens) return;
      head = rope_head(params, token, row);
    }
  }
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::ops
