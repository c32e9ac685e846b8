// Weights of the right sizes and formats and with random values, made on the device: for
// measurements of models that nobody has to download.
#pragma once

#include <memory>

#include "engine/checkpoint.h"
#include "engine/weights.h"

namespace slipstream::engine::synthetic {

// Linears are fp8, everything else as the released checkpoints have it. Values are normal, scaled
// so that activations keep their size from layer to layer. `shapes` and `stream` outlive the
// source.
[[nodiscard]] std::unique_ptr<WeightSource> synthetic_weights(const Checkpoint& shapes,
                                                              cudaStream_t stream);

// Bytes that they take, to within the padding of rows to 16.
[[nodiscard]] std::int64_t synthetic_weight_bytes(const Checkpoint& shapes);

}  // namespace slipstream::engine::synthetic
