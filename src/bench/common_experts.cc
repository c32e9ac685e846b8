#include "bench/common_experts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "slipstream/error.h"

namespace slipstream::bench {

int expert_pool(const model::ModelConfig& config, double common) {
  const int experts = config.n_routed_experts;
  // A row chooses in some groups only, so these must hold what it needs.
  const double most =
      config.n_group > 1 ? static_cast<double>(config.topk_group) / config.n_group : 1;
  if (!(common >= 0 && common <= most)) {
    throw InvalidArgument(fmt::format(
        "common experts must be a share of 0 to {} of this model's, are {}", most, common));
  }
  if (common * experts <= config.num_experts_per_tok) return experts;
  return static_cast<int>(std::lround(config.num_experts_per_tok / common));
}

std::vector<float> pool_corrections(const model::ModelConfig& config, double common,
                                    uint64_t seed) {
  const auto experts = static_cast<uint64_t>(config.n_routed_experts);
  const auto pool = static_cast<uint64_t>(expert_pool(config, common));
  std::vector<float> corrections(experts, 0.0F);
  if (pool == experts) return corrections;
  for (uint64_t i = 0; i < pool; ++i) {
    // Scores are less than 1, so no expert outside comes before one inside.
    corrections[(i * experts / pool + seed) % experts] = 1;
  }
  return corrections;
}

}  // namespace slipstream::bench
