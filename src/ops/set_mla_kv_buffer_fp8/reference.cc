#include "ops/set_mla_kv_buffer_fp8/reference.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "ops/support/reference.h"

namespace slipstream::ops {

void set_mla_kv_buffer_fp8_reference(const SetMlaKvBufferFp8Params& params) {
  const auto cast = [&](uint16_t bits) {
    return fp8_from_float(float_from_bits(bits, params.input_dtype), params.output_dtype);
  };
  for (int64_t token = 0; token < params.tokens; ++token) {
    const int64_t slot = load_index(params.slots.loc, index_address(params.slots.loc, token));
    if (!admit_slot_reference(params.slots, slot)) continue;
    const uint16_t* nope = params.cache_k_nope.row(token);
    const uint16_t* rope = params.cache_k_rope.row(token);
    uint8_t* row = params.kv_buffer.row(slot);
    row = std::transform(nope, nope + params.nope, row, cast);
    std::transform(rope, rope + params.rope, row, cast);
  }
}

namespace {

// Codes and scales of the latents.
void quantize_latents(std::span<const float> values, bool power_of_two, uint8_t* row) {
  uint8_t* scale_bytes = row + Fp8Row656::kScaleOffset;
  for (int first = 0; first < Fp8Row656::kNope; first += Fp8Row656::kGroup) {
    const std::span<const float> group = values.subspan(first, Fp8Row656::kGroup);
    const float scale = group_scale_reference(group, Fp8Row656::kEps, 448.0F, power_of_two);
    for (int i = 0; i < Fp8Row656::kGroup; ++i) {
      row[first + i] = fp8_from_float(group[i] / scale, DType::kFloat8E4M3);
    }
    std::memcpy(scale_bytes, &scale, sizeof(scale));
    scale_bytes += sizeof(scale);
  }
}

// The rope part as bfloat16.
void store_rope(std::span<const float> values, uint8_t* bytes) {
  for (const float value : values) {
    const uint16_t bits = bits_from_float(value, DType::kBFloat16);
    std::memcpy(bytes, &bits, sizeof(bits));
    bytes += sizeof(bits);
  }
}

}  // namespace

void set_mla_kv_buffer_fp8_656_reference(const SetMlaKvBufferFp8Row656Params& params) {
  for (int64_t token = 0; token < params.tokens; ++token) {
    const int64_t slot = load_index(params.slots.loc, index_address(params.slots.loc, token));
    if (!admit_slot_reference(params.slots, slot)) continue;
    uint8_t* row = params.kv_buffer.row(slot);
    quantize_latents(
        floats_from_bits({params.cache_k_nope.row(token), Fp8Row656::kNope}, params.input_dtype),
        params.power_of_two_scales, row);
    store_rope(
        floats_from_bits({params.cache_k_rope.row(token), Fp8Row656::kRope}, params.input_dtype),
        row + Fp8Row656::kRopeOffset);
  }
}

}  // namespace slipstream::ops
