// The plain C++ form of set_mla_kv_buffer.
#pragma once

#include "ops/set_mla_kv_buffer/params.h"

namespace slipstream::ops {

// The same parameters as the kernel's, with pointers to host memory.
void set_mla_kv_buffer_reference(const SetMlaKvBufferParams& params);

}  // namespace slipstream::ops
