// A recorded schedule of a server: sequences that join, leave, pause and change places from step to
// step, each sampled in another way.
#pragma once

#include <vector>

#include "slipstream/engine.h"

namespace slipstream::engine::test {

// One part of a scheduled step.
struct ScheduledPart {
  int user = 0;
  std::vector<int> ids = {kLastSampled};
  bool sample = true;
  std::vector<uint32_t> mask = {};
};

struct Schedule {
  std::vector<SequenceOptions> users;
  std::vector<std::vector<ScheduledPart>> steps;
};

// 16 rows at most, prompts in pieces next to decode rows, and every way to choose.
[[nodiscard]] Schedule some_schedule(int vocabulary);

// Runs it with up to `ahead` steps that have not been waited for. A user's sequence lives from its
// first step to its last.
[[nodiscard]] std::vector<StepToken> run_schedule(Engine& engine, const Schedule& schedule,
                                                  int ahead);

// The same one step at a time, expecting that every token, and what is reported of it, is what the
// reference of sampling finds from the step's own logits.
[[nodiscard]] std::vector<StepToken> check_schedule(Engine& engine, const Schedule& schedule);

void expect_same(const std::vector<StepToken>& a, const std::vector<StepToken>& b);

}  // namespace slipstream::engine::test
