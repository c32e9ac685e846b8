// The one parameter struct of set_mla_kv_buffer: kernel, reference and tests share it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "ops/support/index.h"
#include "ops/support/rows.h"
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

inline constexpr std::array kSetMlaKvBufferFields{
    pdl::field<decltype(SetMlaKvBufferParams{}.kv_buffer.data)>(
        "kv_buffer", offsetof(SetMlaKvBufferParams, kv_buffer.data)),
    pdl::field<decltype(SetMlaKvBufferParams{}.cache_k_nope.data)>(
        "cache_k_nope", offsetof(SetMlaKvBufferParams, cache_k_nope.data)),
    pdl::field<decltype(SetMlaKvBufferParams{}.cache_k_rope.data)>(
        "cache_k_rope", offsetof(SetMlaKvBufferParams, cache_k_rope.data)),
    pdl::field<decltype(SetMlaKvBufferParams{}.slots.loc.data)>(
        "loc", offsetof(SetMlaKvBufferParams, slots.loc.data)),
    pdl::field<decltype(SetMlaKvBufferParams{}.slots.dropped)>(
        "dropped", offsetof(SetMlaKvBufferParams, slots.dropped)),
};

}  // namespace slipstream::ops
