// Selection of keys by score (model specification 2.8).
#pragma once

#include <span>
#include <vector>

namespace slipstream::engine::reference {

// The positions of the min(k, n) largest scores, ascending. Of equal scores the lower position
// wins; NaN loses to all.
[[nodiscard]] std::vector<int> top_k(std::span<const float> scores, int k);

}  // namespace slipstream::engine::reference
