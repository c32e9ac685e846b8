// How a matrix product is shared out among the CTAs of a launch.
#pragma once

#include "step/kernels/linear/params.h"
#include "step/kernels/support/limits.h"

namespace slipstream::step::kernels {

struct LinearShape {
  int threads;
  int ctas;
  int cluster_ctas;
  size_t shared_bytes;
};

// Decides how many CTAs share the columns out and which tiles they take, and says so in `params`;
// a launch that was planned already keeps its plan.
[[nodiscard]] LinearShape plan_linear(LinearParams& params, const ClusterLimits& limits);
// The same with so many CTAs per cluster: 1, 2, 4 or 8, and not more than groups of columns.
[[nodiscard]] LinearShape plan_linear(LinearParams& params, const ClusterLimits& limits,
                                      int cluster_ctas);

// How many launches, each of as many tiles, it takes until sums and activations of all tokens fit into
// shared memory: more than one for many tokens times many rows, as of a vocabulary that two ranks share.
[[nodiscard]] int launches_needed(const LinearParams& params, const ClusterLimits& limits);
// The same product of tiles `first` to `last`, of all segments' tiles.
[[nodiscard]] LinearParams tiles_of(const LinearParams& params, int first, int last);

// Whether a planned launch has so many weights for each CTA that how its neighbors start is nothing
// next to it.
[[nodiscard]] bool is_long(const LinearParams& params);

// The shared memory that a launch which norms rows asks for: every CTA norms all of its columns, and
// two on a multiprocessor would do it in turn. One with little to load stays small: it ends sooner
// than it would find room.
[[nodiscard]] size_t spread_bytes(const LinearShape& shape);

}  // namespace slipstream::step::kernels
