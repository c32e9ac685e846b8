// `slipstream bench ops`: times the operators in a replayed CUDA graph, in a chain of different
// kernels.
#pragma once

namespace CLI {
class App;
}

namespace slipstream::cli {

// Adds the command to `bench`.
void add_bench_ops_command(CLI::App& bench);

}  // namespace slipstream::cli
