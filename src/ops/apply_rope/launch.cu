#include <algorithm>

#include "ops/apply_rope/kernel.cuh"
#include "ops/apply_rope/launch.h"
#include "ops/support/limits.h"

namespace slipstream::ops {
inline namespace SLIPSTREAM_VARIANT {

const pdl::KernelDeclaration kApplyRopeDeclaration{
    .name = "apply_rope_with_cos_sin_cache_inplace",
    .symbol = "slipstream::ops::" SLIPSTREAM_VARIANT_NAME "::apply_rope_kernel",
    .waits = true,
    .fields = kApplyRopeFields,
};

namespace {

// What known_params() and the kernel take for granted.
bool is_released(const ApplyRopeParams& params) {
  const RopeTable& table = params.table;
  return params.dtype == DType::kBFloat16 && !params.saves && params.positions.is_int64 &&
         table.layout == RopeLayout::kInterleaved && table.rope == kReleasedRope &&
         table.stride == kReleasedRope && params.tokens <= kMaxGridY;
}

auto kernel_of(const ApplyRopeParams& params, bool wide) {
  if (!wide) return apply_rope_kernel<RopeForm::kAny>;
  return is_released(params) ? apply_rope_kernel<RopeForm::kReleased>
                             : apply_rope_kernel<RopeForm::kWide>;
}

}  // namespace

void launch_apply_rope(const ApplyRopeParams& params, bool aligned,
                       const pdl::LaunchOptions& options) {
  const bool wide = aligned && params.table.rope % (2 * kPairsPerThread) == 0 &&
                    params.head_size % cuda::kPack == 0;
  const int64_t copied = params.saves ? params.head_size : 0;
  const int64_t pieces = (params.table.rope / 2 + kPairsPerThread - 1) / kPairsPerThread +
                         (copied + cuda::kPack - 1) / cuda::kPack;
  // A token of 16 + 1 heads is one CTA.
  constexpr unsigned kFewThreads = 160;
  const int rows = params.q_heads + (params.saves ? 2 : 1) * params.kv_heads;
  const RowBlocks blocks = row_blocks(rows, pieces, params.tokens, kFewThreads);
  const auto grid_y = static_cast<unsigned>(std::min(params.tokens, kMaxGridY));
  pdl::launch(kApplyRopeDeclaration, kernel_of(params, wide),
              {.grid = dim3(blocks.blocks, grid_y), .block = blocks.block}, options, params);
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::ops
