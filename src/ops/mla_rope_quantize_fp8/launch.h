// Starts the kernel of mla_rope_quantize_fp8.
#pragma once

#include "ops/mla_rope_quantize_fp8/params.h"
#include "pdl/variant.h"
#include "slipstream/launch.h"

namespace slipstream::ops {
inline namespace SLIPSTREAM_VARIANT {

extern const pdl::KernelDeclaration kMlaRopeQuantizeFp8Declaration;

// `aligned`: the addresses and the rows of the inputs lie at multiples of 16 bytes, of the outputs
// at multiples of 8.
void launch_mla_rope_quantize_fp8(const MlaRopeQuantizeFp8Params& params, bool aligned,
                                  const pdl::LaunchOptions& options);

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::ops
