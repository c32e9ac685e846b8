#pragma once

#include "engine/kernels/scores/params.h"
#include "slipstream/launch.h"

namespace slipstream::engine::kernels {

extern const pdl::KernelDeclaration kScoreDeclaration;

// q absorb (W_UK), and index scores where score.heads is not 0.
void launch_scores(ScoreLaunch params, const pdl::LaunchOptions& options);

}  // namespace slipstream::engine::kernels
