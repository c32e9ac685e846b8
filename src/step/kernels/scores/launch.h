#pragma once

#include "slipstream/launch.h"
#include "step/kernels/scores/params.h"

namespace slipstream::step::kernels {

extern const pdl::KernelDeclaration kScoreDeclaration;

// q absorb (W_UK), and index scores where score.heads is not 0.
void launch_scores(ScoreLaunch params, const pdl::LaunchOptions& options);

}  // namespace slipstream::step::kernels
