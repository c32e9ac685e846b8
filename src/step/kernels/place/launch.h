#pragma once

#include "pdl/variant.h"
#include "slipstream/launch.h"
#include "step/kernels/place/params.h"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

extern const pdl::KernelDeclaration kPlaceDeclaration;

// Makes new_rows the input of the next step. Not part of a step: only where its tokens are others
// than those that the last step left.
void launch_place(const PlaceParams& params, const pdl::LaunchOptions& options);

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
