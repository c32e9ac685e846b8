#include <algorithm>

#include "ops/mla_rope_quantize_fp8/kernel.cuh"
#include "ops/mla_rope_quantize_fp8/launch.h"
#include "ops/support/limits.h"

namespace slipstream::ops {
inline namespace SLIPSTREAM_VARIANT {

const pdl::KernelDeclaration kMlaRopeQuantizeFp8Declaration{
    .name = "mla_rope_quantize_fp8",
    .symbol = "slipstream::ops::" SLIPSTREAM_VARIANT_NAME "::mla_rope_quantize_fp8_kernel",
    .waits = true,
    .fields = kMlaRopeQuantizeFp8Fields,
};

void launch_mla_rope_quantize_fp8(const MlaRopeQuantizeFp8Params& params, bool aligned,
                                  const pdl::LaunchOptions& options) {
  const bool wide =
      aligned && params.table.rope % (2 * kPairsPerThread) == 0 && params.nope % cuda::kPack == 0;
  const int64_t pieces = (params.nope + cuda::kPack - 1) / cuda::kPack +
                         (params.table.rope / 2 + kPairsPerThread - 1) / kPairsPerThread;
  const RowBlocks blocks = row_blocks(params.heads + 1, pieces, params.tokens);
  const auto grid_y = static_cast<unsigned>(std::min(params.tokens, kMaxGridY));
  pdl::launch(kMlaRopeQuantizeFp8Declaration,
              wide ? mla_rope_quantize_fp8_kernel<true> : mla_rope_quantize_fp8_kernel<false>,
              {.grid = dim3(blocks.blocks, grid_y), .block = blocks.block}, options, params);
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::ops
