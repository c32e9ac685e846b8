// The plain C++ forms of the quantizing cache writers.
#pragma once

#include "ops/set_mla_kv_buffer_fp8/params.h"

namespace slipstream::ops {

// The same parameters as the kernels', with pointers to host memory.
void set_mla_kv_buffer_fp8_reference(const SetMlaKvBufferFp8Params& params);
void set_mla_kv_buffer_fp8_656_reference(const SetMlaKvBufferFp8Row656Params& params);

}  // namespace slipstream::ops
