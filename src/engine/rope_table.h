// Cosines and sines of every position that a cache can hold.
#pragma once

#include <vector>

#include "engine/config.h"

namespace slipstream::engine {

// [positions, 32 cosines and 32 sines], computed in double from the fp32 angle.
[[nodiscard]] std::vector<float> rope_table(const ModelConfig& config, int positions);

}  // namespace slipstream::engine
