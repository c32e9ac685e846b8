// The one parameter struct of set_mla_kv_buffer: kernel, reference and tests share it.
#pragma once

#include <cstdint>

#include "ops/support/index.h"
#include "ops/support/rows.h"
#include "pdl/fields.h"
#include "slipstream/pdl.cuh"

namespace slipstream::ops {

// kv_buffer[loc[i]] = cache_k_nope[i] ++ cache_k_rope[i], as bytes
struct SetMlaKvBufferParams {
  Rows<uint8_t> kv_buffer;           // [slots, >= nope_bytes + rope_bytes], written after the wait
  Rows<const uint8_t> cache_k_nope;  // [tokens, nope_bytes], read after the wait
  Rows<const uint8_t> cache_k_rope;  // [tokens, rope_bytes], read after the wait
  SlotTable slots;                   // slot of each token, read after the wait
  int64_t tokens = 0;
  int nope_bytes = 0;
  int rope_bytes = 0;
};

inline constexpr auto kSetMlaKvBufferFields =
    SLIPSTREAM_FIELDS(SetMlaKvBufferParams, kv_buffer.data, cache_k_nope.data, cache_k_rope.data,
                      slots.loc.data, slots.dropped);

}  // namespace slipstream::ops
