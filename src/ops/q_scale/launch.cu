#include "ops/q_scale/kernel.cuh"
#include "ops/q_scale/launch.h"

namespace slipstream::ops {
inline namespace SLIPSTREAM_VARIANT {

const pdl::KernelDeclaration kQScaleDeclaration{
    .name = "apply_q_scale_and_softmax_scale",
    .symbol = "slipstream::ops::" SLIPSTREAM_VARIANT_NAME "::q_scale_kernel",
    .waits = true,
    .fields = kQScaleFields,
};

namespace {

constexpr int kWideHeads = 4;

template <class T>
bool is_wide(const TokenHeads<T>& tensor) {
  return tensor.head_stride == 1 && tensor.token_stride % kWideHeads == 0 &&
         reinterpret_cast<uintptr_t>(tensor.data.get()) % sizeof(float4) == 0;
}

}  // namespace

void launch_q_scale(const QScaleParams& params, const pdl::LaunchOptions& options) {
  const bool wide = params.heads % kWideHeads == 0 && is_wide(params.weights) &&
                    is_wide(params.q_scale) && is_wide(params.output);
  const RowBlocks blocks =
      row_blocks(params.tokens, wide ? params.heads / kWideHeads : params.heads);
  pdl::launch(kQScaleDeclaration, wide ? q_scale_kernel<true> : q_scale_kernel<false>,
              {.grid = dim3(blocks.blocks), .block = blocks.block}, options, params);
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::ops
