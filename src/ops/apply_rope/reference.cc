#include "ops/apply_rope/reference.h"

#include <algorithm>
#include <vector>

#include "ops/support/reference.h"

namespace slipstream::ops {
namespace {

void rotate_head(const ApplyRopeParams& params, int64_t position, uint16_t* head) {
  std::vector<float> values =
      floats_from_bits({head, static_cast<size_t>(params.table.rope)}, params.dtype);
  rotate_reference(params.table, position, values);
  for (size_t i = 0; i < values.size(); ++i) head[i] = bits_from_float(values[i], params.dtype);
}

void save_token(const ApplyRopeParams& params, int64_t token) {
  const int64_t slot = load_index(params.slots.loc, index_address(params.slots.loc, token));
  if (!admit_slot_reference(params.slots, slot)) return;
  for (int head = 0; head < params.kv_heads; ++head) {
    std::copy_n(params.key.row(token, head), params.head_size, params.k_buffer.row(slot, head));
    std::copy_n(params.value.row(token, head), params.head_size, params.v_buffer.row(slot, head));
  }
}

}  // namespace

void apply_rope_reference(const ApplyRopeParams& params) {
  for (int64_t token = 0; token < params.tokens; ++token) {
    const int64_t position = load_index(params.positions, index_address(params.positions, token));
    for (int head = 0; head < params.q_heads; ++head) {
      rotate_head(params, position, params.query.row(token, head));
    }
    for (int head = 0; head < params.kv_heads; ++head) {
      rotate_head(params, position, params.key.row(token, head));
    }
    if (params.saves) save_token(params, token);
  }
}

}  // namespace slipstream::ops
