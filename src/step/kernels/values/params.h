// Parameters of the launch that combines the splits of attention and projects the heads' values.
#pragma once

#include <cuda_bf16.h>

#include <array>
#include <cstddef>

#include "step/kernels/linear/params.h"
#include "step/kernels/support/fields.h"

namespace slipstream::step::kernels {

struct ValuesParams {
  PackedMatrix w_uv = {};                    // bf16, [heads * v, 512]; v is a multiple of 128
  pdl::Produced<const float> partials = {};  // as attention writes them, read after the wait
  pdl::Produced<const float2> weights = {};  // [tokens, heads, splits]: (largest exponent, sum)
  pdl::Produced<__nv_bfloat16> output = {};  // [tokens, heads * v], written after the wait
  // Next to the output, so that its line of constants is there before the wait.
  int tokens = 0;
  int heads = 0;
  int splits = 0;  // attention_splits()
};

inline constexpr auto kValuesFields = join_fields(
    fields_at(offsetof(ValuesParams, w_uv), kPackedMatrixFields),
    std::array{
        pdl::field<decltype(ValuesParams::partials)>("partials", offsetof(ValuesParams, partials)),
        pdl::field<decltype(ValuesParams::weights)>("weights", offsetof(ValuesParams, weights)),
        pdl::field<decltype(ValuesParams::output)>("output", offsetof(ValuesParams, output)),
    });

}  // namespace slipstream::step::kernels
