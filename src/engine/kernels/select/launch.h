#pragma once

#include "engine/kernels/select/params.h"
#include "slipstream/launch.h"

namespace slipstream::engine::kernels {

extern const pdl::KernelDeclaration kSelectDeclaration;

// The index list of each token that has more than index_topk keys.
void launch_select(const SelectParams& params, const pdl::LaunchOptions& options);

}  // namespace slipstream::engine::kernels
