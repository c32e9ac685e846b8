#pragma once

#include "pdl/variant.h"
#include "slipstream/launch.h"
#include "step/kernels/experts/params.h"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

extern const pdl::KernelDeclaration kRoutedDeclaration;
extern const pdl::KernelDeclaration kDownDeclaration;
extern const pdl::KernelDeclaration kBandedDownDeclaration;

void launch_routed(RoutedLaunch params, const pdl::LaunchOptions& options);
void launch_down(DownLaunch params, const pdl::LaunchOptions& options);

// launch_down() of banded weights.
void launch_banded_down(DownLaunch params, const pdl::LaunchOptions& options);

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
