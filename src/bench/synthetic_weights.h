// Weights of the right sizes and formats and with random values, made on the device: for
// measurements of models that need not be downloaded.
#pragma once

#include <memory>

#include "model/checkpoint.h"
#include "step/weights.h"

namespace slipstream::bench {

struct SyntheticOptions {
  double common_experts = 0;  // of a row's, those that another has too (common_experts.h)
  float sum_share = 1;        // factor of what is added up over ranks; 0: all logits are zero, too
};

// Linears are fp8, everything else as the released checkpoints have it. Values are normal, scaled
// so that activations keep their size from layer to layer. `shapes` and `stream` outlive the
// source.
[[nodiscard]] std::unique_ptr<step::WeightSource> synthetic_weights(
    const model::Checkpoint& shapes, cudaStream_t stream, const SyntheticOptions& options = {});

// Bytes that they take, to within the padding of rows to 16.
[[nodiscard]] int64_t synthetic_weight_bytes(const model::Checkpoint& shapes,
                                             step::MtpLoad mtp = step::MtpLoad::kNone);

}  // namespace slipstream::bench
