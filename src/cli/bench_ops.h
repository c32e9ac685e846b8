// `slipstream bench ops`: times the operators in a replayed CUDA graph, in a chain of different
// kernels.
#pragma once

#include "cli/command.h"

namespace slipstream::cli {

void add_bench_ops_command(const Command& bench);

}  // namespace slipstream::cli
