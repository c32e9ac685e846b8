// The checked parameters of apply_rope_with_cos_sin_cache_inplace, for the tests that run its
// reference.
#pragma once

#include <optional>

#include "ops/apply_rope/params.h"
#include "ops/support/arguments.h"
#include "slipstream/ops.h"

namespace slipstream::ops {

[[nodiscard]] ApplyRopeParams check_apply_rope(const Arguments& arguments, const Tensor& positions,
                                               const Tensor& query, const Tensor& key,
                                               int64_t head_size, const Tensor& cos_sin_cache,
                                               RopeLayout layout,
                                               const std::optional<FusedSetKvBuffer>& save);

}  // namespace slipstream::ops
