#pragma once

#include "slipstream/launch.h"
#include "step/kernels/attend/params.h"

namespace slipstream::step::kernels {

extern const pdl::KernelDeclaration kAttendDeclaration;

// How many parts the keys of each token are split into: a power of two, and a multiple of the group
// that the combination takes. `keys` is the most that a token has.
[[nodiscard]] int attention_splits(int tokens, int heads, int keys);

void launch_attend(const AttendParams& params, const pdl::LaunchOptions& options);

}  // namespace slipstream::step::kernels
