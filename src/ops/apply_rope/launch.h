// Starts the kernel of apply_rope_with_cos_sin_cache_inplace.
#pragma once

#include "ops/apply_rope/params.h"
#include "pdl/variant.h"
#include "slipstream/launch.h"

namespace slipstream::ops {
inline namespace SLIPSTREAM_VARIANT {

extern const pdl::KernelDeclaration kApplyRopeDeclaration;

// `aligned`: the addresses and the rows of all tensors lie at multiples of 16 bytes.
void launch_apply_rope(const ApplyRopeParams& params, bool aligned,
                       const pdl::LaunchOptions& options);

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::ops
