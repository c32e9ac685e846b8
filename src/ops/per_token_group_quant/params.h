// The one parameter struct of per_token_group_quant_8bit: kernel, reference and tests share it.
#pragma once

#include <cstdint>

#include "pdl/fields.h"
#include "slipstream/pdl.cuh"
#include "slipstream/tensor.h"

namespace slipstream::ops {

// Without experts there is one "expert" that holds all tokens.
struct PerTokenGroupQuantParams {
  pdl::Produced<const uint8_t>
      input;  // [experts, tokens, columns or 2 * columns], read after the wait
  pdl::Produced<uint8_t> output_q;     // [experts, tokens, columns] codes, written after the wait
  pdl::Produced<uint8_t> output_s;     // [experts, tokens, scale words], written after the wait
  pdl::Produced<const void> masked_m;  // [experts] int32 or int64, read after the wait; may be null
  int64_t input_expert_stride = 0;     // bytes
  int64_t input_token_stride = 0;      // bytes
  int64_t scale_expert_stride = 0;     // 4-byte words
  int64_t scale_token_stride = 0;      // 4-byte words
  int64_t scale_word_stride = 0;  // 4-byte words; a word is a float32 scale or four UE8M0 bytes
  int64_t tokens = 0;             // of each expert
  int experts = 1;
  int columns = 0;  // of output_q; a multiple of group_size
  int group_size = 128;
  float eps = 1e-10F;
  DType input_dtype = DType::kBFloat16;     // or kFloat16, kFloat32
  DType output_dtype = DType::kFloat8E4M3;  // or kInt8
  bool scale_ue8m0 = false;
  bool fuse_silu_and_mul = false;  // input holds gate (first half of a row) and up (second half)
  bool masked_m_is_int64 = false;

  // The tokens of an expert that are quantized, from the value of masked_m.
  [[nodiscard]] SLIPSTREAM_HOST_DEVICE int64_t tokens_of(int expert) const {
    if (masked_m.get() == nullptr) return tokens;
    const int64_t count = masked_m_is_int64 ? static_cast<const int64_t*>(masked_m.get())[expert]
                                            : static_cast<const int32_t*>(masked_m.get())[expert];
    return count < tokens ? count : tokens;
  }
};

inline constexpr auto kPerTokenGroupQuantFields =
    SLIPSTREAM_FIELDS(PerTokenGroupQuantParams, input, output_q, output_s, masked_m);

}  // namespace slipstream::ops
