#pragma once

#include "engine/kernels/experts/params.h"
#include "slipstream/launch.h"

namespace slipstream::engine::kernels {

extern const pdl::KernelDeclaration kRoutedDeclaration;
extern const pdl::KernelDeclaration kDownDeclaration;

void launch_routed(RoutedLaunch params, const pdl::LaunchOptions& options);
void launch_down(DownLaunch params, const pdl::LaunchOptions& options);

}  // namespace slipstream::engine::kernels
