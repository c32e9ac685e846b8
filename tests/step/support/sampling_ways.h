// Options and logits for tests of sampling.
#pragma once

#include <cstdint>
#include <vector>

#include "slipstream/sampling.h"
#include "tests/model/support/random.h"

namespace slipstream::step::test {

[[nodiscard]] inline model::reference::Matrix some_logits(int rows, int vocabulary, unsigned seed) {
  model::reference::Matrix logits = model::test::random_matrix(rows, vocabulary, seed);
  for (float& logit : logits.values()) logit *= 6;
  return logits;
}

// `options` with `count` seeds.
[[nodiscard]] inline std::vector<SamplingOptions> seeds(SamplingOptions options,
                                                        uint64_t count = 6) {
  std::vector<SamplingOptions> result;
  for (uint64_t seed = 1; seed <= count; ++seed) {
    options.seed = seed * 0x9E3779B97F4A7C15U;
    result.push_back(options);
  }
  return result;
}

// Every way to choose.
[[nodiscard]] inline std::vector<SamplingOptions> every_way() {
  return {{},
          {.temperature = 1, .seed = 1},
          {.temperature = 1, .top_k = 5, .seed = 2},
          {.temperature = 1, .top_p = 0.5F, .seed = 3},
          {.temperature = 1, .top_k = 9, .top_p = 0.9F, .seed = 4}};
}

}  // namespace slipstream::step::test
