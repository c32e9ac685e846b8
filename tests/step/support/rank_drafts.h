// Several ranks that draft, a thread and a device each.
#pragma once

#include <vector>

#include "tests/step/support/drafting.h"
#include "tests/step/support/rank_runs.h"

namespace slipstream::step::test {

// What every rank generates of a sequence that is drawn. The prompt's step has more rows than the
// others.
inline std::vector<Generated> generate_on_all(const RankRuns& runs, int drafts, size_t count,
                                              const ChangeDrafts& change = {}) {
  std::vector<Generated> result(runs.ranks());
  runs.team().run([&](int rank) {
    const auto step = runs.make_step(rank, /*delays=*/false, /*drafts=*/true);
    const std::vector<int> ids{17, 300, 4, 99, 250};
    result[rank] = process_prompt(*step, ids, 0, {.temperature = 1, .seed = 5});
    generate(*step, {&result[rank]}, drafts, count, change);
    result[rank].tokens.resize(count);
  });
  return result;
}

}  // namespace slipstream::step::test
