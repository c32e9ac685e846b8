// The parameter structs of set_mla_kv_buffer_fp8 and set_mla_kv_buffer_fp8_656: kernels, references
// and tests share them.
#pragma once

#include <cstdint>

#include "ops/support/index.h"
#include "ops/support/rows.h"
#include "pdl/fields.h"
#include "slipstream/pdl.cuh"
#include "slipstream/tensor.h"

namespace slipstream::ops {

// kv_buffer[loc[i]] = fp8(cache_k_nope[i] ++ cache_k_rope[i])
struct SetMlaKvBufferFp8Params {
  Rows<uint8_t> kv_buffer;            // [slots, >= nope + rope] fp8 codes, written after the wait
  Rows<const uint16_t> cache_k_nope;  // [tokens, nope] 16-bit floats, read after the wait
  Rows<const uint16_t> cache_k_rope;  // [tokens, rope] 16-bit floats, read after the wait
  SlotTable slots;                    // slot of each token, read after the wait
  int64_t tokens = 0;
  int nope = 0;
  int rope = 0;
  DType input_dtype = DType::kBFloat16;     // or kFloat16
  DType output_dtype = DType::kFloat8E4M3;  // or kFloat8E5M2
};

// The 656-byte row: 512 e4m3 codes, four fp32 scales (one per 128 codes), 64 bfloat16.
struct Fp8Row656 {
  static constexpr int kNope = 512;
  static constexpr int kGroup = 128;
  static constexpr int kRope = 64;
  static constexpr int kScaleOffset = kNope;
  static constexpr int kRopeOffset = kScaleOffset + kNope / kGroup * 4;
  static constexpr int kBytes = kRopeOffset + kRope * 2;
  // amax is at least this: a group of zeros gets a finite scale and codes 0.
  static constexpr float kEps = 1e-10F;
};

struct SetMlaKvBufferFp8Row656Params {
  Rows<uint8_t> kv_buffer;            // [slots, 656] bytes, written after the wait
  Rows<const uint16_t> cache_k_nope;  // [tokens, 512] 16-bit floats, read after the wait
  Rows<const uint16_t> cache_k_rope;  // [tokens, 64] 16-bit floats, read after the wait
  SlotTable slots;                    // slot of each token, read after the wait
  int64_t tokens = 0;
  DType input_dtype = DType::kBFloat16;  // or kFloat16
  bool power_of_two_scales = false;
};

// Both structs have the same pointers.
template <class Params>
inline constexpr auto kSetMlaKvBufferFp8Fields = SLIPSTREAM_FIELDS(Params, kv_buffer.data,
                                                                   cache_k_nope.data,
                                                                   cache_k_rope.data,
                                                                   slots.loc.data, slots.dropped);

}  // namespace slipstream::ops
