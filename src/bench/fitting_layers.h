// How much of a model GPUs hold.
#pragma once

#include <cstdint>
#include <span>

#include "bench/step_bench.h"

namespace slipstream::bench {

// How many of the first layers of `model`, whatever it says itself, each rank can hold in `bytes`
// with caches for the largest of `shapes`. Throws InvalidArgument where not one fits.
[[nodiscard]] int layers_that_fit(const BenchModel& model, std::span<const StepShape> shapes,
                                  int64_t bytes);

// What is free on each of the first `devices` devices from the current one on, less what a bench
// takes besides weights and caches.
[[nodiscard]] int64_t free_device_memory(int devices);

// The layers of the whole model.
[[nodiscard]] int layers_of(const BenchModel& model);

}  // namespace slipstream::bench
