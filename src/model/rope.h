// Frequencies of the rotary embedding, with DeepSeek's YaRN.
#pragma once

#include <vector>

#include "model/config.h"

namespace slipstream::model {

// Rotations per position of each of the 32 pairs. Shared by attention and indexer.
[[nodiscard]] std::vector<float> inverse_frequencies(const ModelConfig& config);

}  // namespace slipstream::model
