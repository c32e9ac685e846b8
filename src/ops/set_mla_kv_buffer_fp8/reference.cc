#include "ops/set_mla_kv_buffer_fp8/reference.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "ops/support/reference.h"

namespace slipstream::ops {

void set_mla_kv_buffer_fp8_reference(const SetMlaKvBufferFp8Params& params) {
  const auto cast = [&](std::uint16_t bits) {
    return fp8_from_float(float_from_bits(bits, params.input_dtype), params.output_dtype);
  };
  for (std::int64_t token = 0; token < params.tokens; ++token) {
    const std::int64_t slot = load_index(params.slots.loc, index_address(params.slots.loc, token));
    if (!admit_slot_reference(params.slots, slot)) continue;
    const std::uint16_t* nope = params.cache_k_nope.row(token);
    const std::uint16_t* rope = params.cache_k_rope.row(token);
    std::uint8_t* row = params.kv_buffer.row(slot);
    row = std::transform(nope, nope + params.nope, row, cast);
    std::transform(rope, rope + params.rope, row, cast);
  }
}

void set_mla_kv_buffer_fp8_656_reference(const SetMlaKvBufferFp8Row656Params& params) {
  for (std::int64_t token = 0; token < params.tokens; ++token) {
    const std::int64_t slot = load_index(params.slots.loc, index_address(params.slots.loc, token));
    if (!admit_slot_reference(params.slots, slot)) continue;
    std::uint8_t* row = params.kv_buffer.row(slot);
    for (int first = 0; first < Fp8Row656::kNope; first += Fp8Row656::kGroup) {
      std::array<float, Fp8Row656::kGroup> values{};
      for (int i = 0; i < Fp8Row656::kGroup; ++i) {
        values[i] = float_from_bits(params.cache_k_nope.row(token)[first + i], params.input_dtype);
      }
      const float scale =
          group_scale_reference(values, Fp8Row656::kEps, 448.0F, params.power_of_two_scales);
      for (int i = 0; i < Fp8Row656::kGroup; ++i) {
        row[first + i] = fp8_from_float(values[i] / scale, DType::kFloat8E4M3);
      }
      std::memcpy(row + Fp8Row656::kScaleOffset + 4 * (first / Fp8Row656::kGroup), &scale, 4);
    }
    for (int i = 0; i < Fp8Row656::kRope; ++i) {
      const float value = float_from_bits(params.cache_k_rope.row(token)[i], params.input_dtype);
      const std::uint16_t bits = bits_from_float(value, DType::kBFloat16);
      std::memcpy(row + Fp8Row656::kRopeOffset + 2 * i, &bits, 2);
    }
  }
}

}  // namespace slipstream::ops
