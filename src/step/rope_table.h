// Cosines and sines of every position that a cache can hold.
#pragma once

#include <vector>

#include "model/config.h"

namespace slipstream::step {

// [positions, 32 cosines and 32 sines], computed in double from the fp32 angle.
[[nodiscard]] std::vector<float> rope_table(const model::ModelConfig& config, int positions);

}  // namespace slipstream::step
