#pragma once

#include "pdl/variant.h"
#include "slipstream/launch.h"
#include "step/kernels/scores/params.h"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

extern const pdl::KernelDeclaration kScoreDeclaration;

// q absorb (W_UK), and index scores where score.heads is not 0.
void launch_scores(ScoreLaunch params, const pdl::LaunchOptions& options);

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
