#include "ops/mla_rope_quantize_fp8/reference.h"

#include <vector>

#include "ops/support/reference.h"

namespace slipstream::ops {
namespace {

void quantize(const std::vector<float>& values, float scale, DType dtype, uint8_t* codes) {
  for (size_t i = 0; i < values.size(); ++i) {
    codes[i] = fp8_from_float(values[i] * scale, dtype);
  }
}

}  // namespace

void mla_rope_quantize_fp8_reference(const MlaRopeQuantizeFp8Params& params) {
  for (int64_t token = 0; token < params.tokens; ++token) {
    const int64_t position = load_index(params.pos_ids, index_address(params.pos_ids, token));
    for (int head = 0; head <= params.heads; ++head) {
      const MlaRopeQuantizeRows rows = rows_of(params, token, head);
      std::vector<float> rope =
          floats_from_bits({rows.rope, static_cast<size_t>(params.table.rope)}, params.input_dtype);
      rotate_reference(params.table, position, rope);
      quantize(rope, rows.scale, params.output_dtype, rows.rope_out);
      const std::vector<float> nope =
          floats_from_bits({rows.nope, static_cast<size_t>(params.nope)}, params.input_dtype);
      quantize(nope, rows.scale, params.output_dtype, rows.nope_out);
    }
  }
}

}  // namespace slipstream::ops
