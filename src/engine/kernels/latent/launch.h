#pragma once

#include "engine/kernels/latent/params.h"
#include "slipstream/launch.h"

namespace slipstream::engine::kernels {

extern const pdl::KernelDeclaration kLatentDeclaration;

// q_a norm, then q_b and indexer wq_b; kv_a norm, rope and both cache writes.
void launch_latent(LatentLaunch params, const pdl::LaunchOptions& options);

}  // namespace slipstream::engine::kernels
