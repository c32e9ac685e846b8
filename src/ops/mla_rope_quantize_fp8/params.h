// The one parameter struct of mla_rope_quantize_fp8: kernel, reference and tests share it.
#pragma once

#include <cstdint>

#include "ops/support/index.h"
#include "ops/support/rope.h"
#include "ops/support/rows.h"
#include "pdl/fields.h"
#include "slipstream/pdl.cuh"
#include "slipstream/tensor.h"

namespace slipstream::ops {

// *_rope_out = fp8(rotate(*_rope) * scale), *_nope_out = fp8(*_nope * scale)
struct MlaRopeQuantizeFp8Params {
  HeadRows<const uint16_t> q_rope;  // [tokens, heads, rope] 16-bit floats, read after the wait
  HeadRows<const uint16_t> k_rope;  // [tokens, 1, rope], read after the wait
  HeadRows<const uint16_t> q_nope;  // [tokens, heads, nope], read after the wait; null if nope is 0
  HeadRows<const uint16_t> k_nope;  // [tokens, 1, nope], read after the wait; null if nope is 0
  HeadRows<uint8_t> q_rope_out;     // fp8 codes, shapes as the inputs, written after the wait
  HeadRows<uint8_t> k_rope_out;
  HeadRows<uint8_t> q_nope_out;
  HeadRows<uint8_t> k_nope_out;
  RopeTable table;  // constant; read after the wait all the same, as the row is a produced position
  IndexArray pos_ids;  // [tokens], read after the wait
  int64_t tokens = 0;
  int heads = 0;  // of q; k has one
  int nope = 0;
  float quant_scale_q = 1.0F;
  float quant_scale_kv = 1.0F;
  DType input_dtype = DType::kBFloat16;     // or kFloat16
  DType output_dtype = DType::kFloat8E4M3;  // or kFloat8E5M2
};

// The four rows of one token and head.
struct MlaRopeQuantizeRows {
  const uint16_t* rope;
  const uint16_t* nope;
  uint8_t* rope_out;
  uint8_t* nope_out;
  float scale;
};

// `head` counts the heads of q and then the one of k.
[[nodiscard]] SLIPSTREAM_HOST_DEVICE inline MlaRopeQuantizeRows rows_of(
    const MlaRopeQuantizeFp8Params& params, int64_t token, int head) {
  const bool is_q = head < params.heads;
  return {is_q ? params.q_rope.row(token, head) : params.k_rope.row(token, 0),
          is_q ? params.q_nope.row(token, head) : params.k_nope.row(token, 0),
          is_q ? params.q_rope_out.row(token, head) : params.k_rope_out.row(token, 0),
          is_q ? params.q_nope_out.row(token, head) : params.k_nope_out.row(token, 0),
          is_q ? params.quant_scale_q : params.quant_scale_kv};
}

inline constexpr auto kMlaRopeQuantizeFp8Fields = SLIPSTREAM_FIELDS(
    MlaRopeQuantizeFp8Params, q_rope.data, k_rope.data, q_nope.data, k_nope.data, q_rope_out.data,
    k_rope_out.data, q_nope_out.data, k_nope_out.data, table.cos_sin, pos_ids.data);

}  // namespace slipstream::ops
