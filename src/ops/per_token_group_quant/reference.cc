#include "ops/per_token_group_quant/reference.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "ops/support/reference.h"

namespace slipstream::ops {
namespace {

float load_element(const PerTokenGroupQuantParams& params, const uint8_t* row, int column) {
  if (params.input_dtype == DType::kFloat32) {
    float value = 0.0F;
    std::memcpy(&value, row + 4 * static_cast<int64_t>(column), 4);
    return value;
  }
  uint16_t bits = 0;
  std::memcpy(&bits, row + 2 * static_cast<int64_t>(column), 2);
  return float_from_bits(bits, params.input_dtype);
}

float round_to_input(const PerTokenGroupQuantParams& params, float value) {
  if (params.input_dtype == DType::kFloat32) return value;
  return float_from_bits(bits_from_float(value, params.input_dtype), params.input_dtype);
}

float value_at(const PerTokenGroupQuantParams& params, const uint8_t* row, int column) {
  const float gate = load_element(params, row, column);
  if (!params.fuse_silu_and_mul) return gate;
  const double silu = gate / (1.0 + std::exp(-static_cast<double>(gate)));
  const float up = load_element(params, row, params.columns + column);
  return round_to_input(params, round_to_input(params, static_cast<float>(silu)) * up);
}

uint8_t code_of(const PerTokenGroupQuantParams& params, float quotient) {
  if (params.output_dtype == DType::kFloat8E4M3) {
    return fp8_from_float(quotient, DType::kFloat8E4M3);
  }
  if (std::isnan(quotient)) return 0;
  return static_cast<uint8_t>(
      static_cast<int8_t>(std::nearbyint(std::clamp(quotient, -128.0F, 127.0F))));
}

void store_scale(const PerTokenGroupQuantParams& params, int64_t row_words, int group,
                 float scale) {
  const int word = params.scale_ue8m0 ? group / 4 : group;
  uint8_t* target = params.output_s.get() + 4 * (row_words + word * params.scale_word_stride);
  if (!params.scale_ue8m0) {
    std::memcpy(target, &scale, 4);
    return;
  }
  if (group % 4 == 0) std::memset(target, 0, 4);
  target[group % 4] = static_cast<uint8_t>(std::ilogb(scale) + 127);
}

void quantize_row(const PerTokenGroupQuantParams& params, int expert, int64_t token) {
  const uint8_t* row =
      params.input.get() + expert * params.input_expert_stride + token * params.input_token_stride;
  uint8_t* codes = params.output_q.get() + (expert * params.tokens + token) * params.columns;
  const float max_code = params.output_dtype == DType::kFloat8E4M3 ? 448.0F : 127.0F;
  for (int group = 0; group < params.columns / params.group_size; ++group) {
    const int first = group * params.group_size;
    std::vector<float> values;
    values.reserve(static_cast<size_t>(params.group_size));
    for (int i = 0; i < params.group_size; ++i) values.push_back(value_at(params, row, first + i));
    const float scale = group_scale_reference(values, params.eps, max_code, params.scale_ue8m0);
    for (int i = 0; i < params.group_size; ++i)
      codes[first + i] = code_of(params, values[i] / scale);
    store_scale(params, expert * params.scale_expert_stride + token * params.scale_token_stride,
                group, scale);
  }
}

}  // namespace

void per_token_group_quant_reference(const PerTokenGroupQuantParams& params) {
  for (int expert = 0; expert < params.experts; ++expert) {
    const int64_t tokens = params.tokens_of(expert);
    for (int64_t token = 0; token < tokens; ++token) quantize_row(params, expert, token);
  }
}

}  // namespace slipstream::ops
