// How often rows of a step choose the same experts. Random weights route at random, which hardly ever
// gives two rows an expert in common; neighboring tokens of a text have more of them.
#pragma once

#include <cstdint>
#include <vector>

#include "model/config.h"

namespace slipstream::bench {

// Out of so many experts must every row choose its own, so that two rows have that share of them in
// common; all experts for 0, or less than random routing gives. Throws InvalidArgument for a share
// that the model's groups of experts do not allow.
[[nodiscard]] int expert_pool(const model::ModelConfig& config, double common);

// Corrections of a router that let rows choose out of such a pool only, which lies evenly in all
// groups. Another seed gives another pool.
[[nodiscard]] std::vector<float> pool_corrections(const model::ModelConfig& config, double common,
                                                  uint64_t seed);

}  // namespace slipstream::bench
