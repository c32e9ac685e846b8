// The one parameter struct of apply_rope_with_cos_sin_cache_inplace: kernel, reference and tests
// share it.
#pragma once

#include <cstdint>

#include "ops/support/index.h"
#include "ops/support/rope.h"
#include "ops/support/rows.h"
#include "pdl/fields.h"
#include "slipstream/pdl.cuh"
#include "slipstream/tensor.h"

namespace slipstream::ops {

// Rotates query and key in place; with a save, k_buffer[loc[i]] = rotated key[i] and
// v_buffer[loc[i]] = value[i].
struct ApplyRopeParams {
  HeadRows<uint16_t>
      query;  // [tokens, q_heads, head_size] 16-bit floats, read and written after the wait
  HeadRows<uint16_t> key;  // [tokens, kv_heads, head_size], read and written after the wait
  RopeTable table;  // constant; read after the wait all the same, as the row is a produced position
  IndexArray positions;  // [tokens], read after the wait

  // The save; null where there is none.
  HeadRows<const uint16_t> value;  // [tokens, kv_heads, head_size], read after the wait
  HeadRows<uint16_t> k_buffer;     // [slots, kv_heads, head_size], written after the wait
  HeadRows<uint16_t> v_buffer;     // [slots, kv_heads, head_size], written after the wait
  SlotTable slots;                 // slot of each token, read after the wait

  int64_t tokens = 0;
  int q_heads = 0;
  int kv_heads = 0;
  int head_size = 0;
  bool saves = false;
  DType dtype = DType::kBFloat16;  // or kFloat16
};

inline constexpr auto kApplyRopeFields =
    SLIPSTREAM_FIELDS(ApplyRopeParams, query.data, key.data, table.cos_sin, positions.data,
                      value.data, k_buffer.data, v_buffer.data, slots.loc.data, slots.dropped);

}  // namespace slipstream::ops
