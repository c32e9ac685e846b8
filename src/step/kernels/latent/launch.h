#pragma once

#include "pdl/variant.h"
#include "slipstream/launch.h"
#include "step/kernels/latent/params.h"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

extern const pdl::KernelDeclaration kLatentDeclaration;
extern const pdl::KernelDeclaration kPreparedLatentDeclaration;

// q_a norm, then q_b and indexer wq_b; kv_a norm, rope and both cache writes.
void launch_latent(LatentLaunch params, const pdl::LaunchOptions& options);

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
