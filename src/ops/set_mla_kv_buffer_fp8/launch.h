// Starts the kernels of the quantizing cache writers.
#pragma once

#include "ops/set_mla_kv_buffer_fp8/params.h"
#include "pdl/variant.h"
#include "slipstream/launch.h"

namespace slipstream::ops {
inline namespace SLIPSTREAM_VARIANT {

extern const pdl::KernelDeclaration kSetMlaKvBufferFp8Declaration;
extern const pdl::KernelDeclaration kSetMlaKvBufferFp8Row656Declaration;

// `aligned`: the addresses and the rows of the inputs lie at multiples of 16 bytes, and those of the
// cache at multiples of 8 (fp8) or 16 (656).
void launch_set_mla_kv_buffer_fp8(const SetMlaKvBufferFp8Params& params, bool aligned,
                                  const pdl::LaunchOptions& options);
void launch_set_mla_kv_buffer_fp8_656(const SetMlaKvBufferFp8Row656Params& params, bool aligned,
                                      const pdl::LaunchOptions& options);

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::ops
