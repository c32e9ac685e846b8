// Starts the kernel of per_token_group_quant_8bit.
#pragma once

#include "ops/per_token_group_quant/params.h"
#include "pdl/variant.h"
#include "slipstream/launch.h"

namespace slipstream::ops {
inline namespace SLIPSTREAM_VARIANT {

extern const pdl::KernelDeclaration kPerTokenGroupQuantDeclaration;

void launch_per_token_group_quant(const PerTokenGroupQuantParams& params,
                                  const pdl::LaunchOptions& options);

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::ops
