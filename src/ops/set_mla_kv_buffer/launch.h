// Starts the kernel of set_mla_kv_buffer.
#pragma once

#include "ops/set_mla_kv_buffer/params.h"
#include "pdl/variant.h"
#include "slipstream/launch.h"

namespace slipstream::ops {
inline namespace SLIPSTREAM_VARIANT {

extern const pdl::KernelDeclaration kSetMlaKvBufferDeclaration;

void launch_set_mla_kv_buffer(const SetMlaKvBufferParams& params,
                              const pdl::LaunchOptions& options);

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::ops
