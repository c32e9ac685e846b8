// Weights as sizes alone: what a step of a model would read, without a checkpoint and without memory.
#pragma once

#include <memory>

#include "step/weights.h"

namespace slipstream::step {

// In the formats of the released fp8 checkpoints. `shapes` outlives the source.
[[nodiscard]] std::unique_ptr<WeightSource> shape_weights(const model::Checkpoint& shapes);

}  // namespace slipstream::step
