// The parts of `slipstream generate` that use an engine.
#pragma once

#include <cstdint>

#include "cli/generate.h"
#include "slipstream/engine.h"

namespace slipstream::cli {

[[nodiscard]] inline SamplingOptions sampling_of(const GenerateOptions& options) {
  return {options.temperature, options.top_k, options.top_p, options.seed};
}

// The ranks that the options ask for, or torchrun's environment.
[[nodiscard]] engine::Ranks ranks_of(const GenerateOptions& options);

// Whether this process prints and writes what the ranks' one engine answers.
[[nodiscard]] inline bool is_first(const engine::Ranks& ranks) {
  return !ranks.process || ranks.process->rank == 0;
}

// The checkpoint of `options` with room for `cache_tokens`.
[[nodiscard]] engine::Engine load_engine(const GenerateOptions& options, cudaStream_t stream,
                                         int64_t cache_tokens);

// --layer-in and --layer: one layer alone, from file to file.
void run_one_layer(const GenerateOptions& options, cudaStream_t stream);

}  // namespace slipstream::cli
