#pragma once

#include "pdl/variant.h"
#include "slipstream/launch.h"
#include "step/kernels/select/params.h"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

extern const pdl::KernelDeclaration kSelectDeclaration;

// The index list of each token that has more than index_topk keys.
void launch_select(const SelectParams& params, const pdl::LaunchOptions& options);

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
