#include "ops/set_mla_kv_buffer/reference.h"

#include <algorithm>

namespace slipstream::ops {

void set_mla_kv_buffer_reference(const SetMlaKvBufferParams& params) {
  for (int64_t token = 0; token < params.tokens; ++token) {
    const int64_t slot = load_index(params.slots.loc, index_address(params.slots.loc, token));
    if (!admit_slot_reference(params.slots, slot)) continue;
    uint8_t* row = params.kv_buffer.row(slot);
    row = std::copy_n(params.cache_k_nope.row(token), params.nope_bytes, row);
    std::copy_n(params.cache_k_rope.row(token), params.rope_bytes, row);
  }
}

}  // namespace slipstream::ops
