#include "ops/set_mla_kv_buffer_fp8/kernel.cuh"
#include "ops/set_mla_kv_buffer_fp8/launch.h"

namespace slipstream::ops {
inline namespace SLIPSTREAM_VARIANT {

const pdl::KernelDeclaration kSetMlaKvBufferFp8Declaration{
    .name = "set_mla_kv_buffer_fp8",
    .symbol = "slipstream::ops::" SLIPSTREAM_VARIANT_NAME "::set_mla_kv_buffer_fp8_kernel",
    .waits = true,
    .fields = kSetMlaKvBufferFp8Fields<SetMlaKvBufferFp8Params>,
};
const pdl::KernelDeclaration kSetMlaKvBufferFp8Row656Declaration{
    .name = "set_mla_kv_buffer_fp8_656",
    .symbol = "slipstream::ops::" SLIPSTREAM_VARIANT_NAME "::set_mla_kv_buffer_fp8_656_kernel",
    .waits = true,
    .fields = kSetMlaKvBufferFp8Fields<SetMlaKvBufferFp8Row656Params>,
};

void launch_set_mla_kv_buffer_fp8(const SetMlaKvBufferFp8Params& params, bool aligned,
                                  const pdl::LaunchOptions& options) {
  const bool wide = aligned && params.nope % cuda::kPack == 0 && params.rope % cuda::kPack == 0;
  const auto pieces = [](int elements) { return (elements + cuda::kPack - 1) / cuda::kPack; };
  const RowBlocks blocks = row_blocks(params.tokens, pieces(params.nope) + pieces(params.rope));
  pdl::launch(kSetMlaKvBufferFp8Declaration,
              wide ? set_mla_kv_buffer_fp8_kernel<true> : set_mla_kv_buffer_fp8_kernel<false>,
              {.grid = dim3(blocks.blocks), .block = blocks.block}, options, params);
}

void launch_set_mla_kv_buffer_fp8_656(const SetMlaKvBufferFp8Row656Params& params, bool aligned,
                                      const pdl::LaunchOptions& options) {
  const RowBlocks blocks = row_blocks(params.tokens, kRow656Threads);
  pdl::launch(
      kSetMlaKvBufferFp8Row656Declaration,
      aligned ? set_mla_kv_buffer_fp8_656_kernel<true> : set_mla_kv_buffer_fp8_656_kernel<false>,
      {.grid = dim3(blocks.blocks), .block = blocks.block}, options, params);
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::ops
