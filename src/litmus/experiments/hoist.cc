#include "litmus/experiments/all.h"
#include "litmus/hoist_kernels.h"

namespace slipstream::litmus {
namespace {

Kernel compiled(const void* function) { return {.dependent = true, .function = function}; }

std::vector<Case> hoist_cases() {
  const Kernel producer = normal(late_writer());
  return {
      {.label = "waits in the first round of a loop; const __restrict__",
       .chain = {producer, compiled(wait_in_loop_const_restrict())}},
      {.label = "waits in the first round of a loop; plain pointer",
       .chain = {producer, compiled(wait_in_loop_plain())},
       .promise = Promise::kNever},
      {.label = "reads before and after the wait; const __restrict__",
       .chain = {producer, compiled(reads_twice_const_restrict())}},
      {.label = "reads before and after the wait; plain pointer",
       .chain = {producer, compiled(reads_twice_plain())},
       .promise = Promise::kNever},
      {.label = "one warp waits, barrier; const __restrict__",
       .chain = {producer, compiled(one_warp_waits_const_restrict())}},
      {.label = "one warp waits, barrier; plain pointer",
       .chain = {producer, compiled(one_warp_waits_plain())},
       .promise = Promise::kNever},
  };
}

}  // namespace

Experiment hoist_experiment() {
  return {.name = "hoist",
          .question = "Do reads that the source has after the wait stay there when compiled?",
          .looked_for = kOldValue,
          .run = run_cases(hoist_cases)};
}

}  // namespace slipstream::litmus
