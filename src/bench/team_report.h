// What a bench says of ranks next to each other.
#pragma once

#include "bench/decode_report.h"

namespace slipstream::bench {

// Skew by stage and lateness by rank; nothing where one rank was traced.
void print_team(const StepResult& step);
void print_memory(const StepResult& step);

// Skew, lateness and clocks; the slowest rank's stages are `stages`.
[[nodiscard]] io::Json team_json(const StepResult& step, const io::Json& stages);
[[nodiscard]] io::Json memory_json(const StepResult& step);

// The step as its slowest rank saw it: its times in place of rank 0's.
[[nodiscard]] StepResult as_slowest(const StepResult& step);

}  // namespace slipstream::bench
