#include "litmus/experiments/all.h"

namespace slipstream::litmus {
namespace {

// Where the middle kernel of three triggers, seen by what the last one reads before its wait.
std::vector<Case> trigger_order_cases() {
  const Kernel producer = normal(late_writer());
  const Kernel early_reader = dependent({read(1), wait()});
  const Kernel reader = dependent({wait(), read(1)});
  // Has the old value in its multiprocessor's cache while the new one is written.
  const Kernel caching_middle = dependent({read(0).counted_in(1), wait(), trigger()});
  return {
      {.label = "middle triggers, then waits; reads before the wait",
       .chain = {producer, dependent({trigger(), wait()}), early_reader},
       .promise = Promise::kMay},
      {.label = "middle triggers, then waits; reads after the wait",
       .chain = {producer, dependent({trigger(), wait()}), reader},
       .promise = Promise::kNever},
      {.label = "middle waits, then triggers; reads before the wait",
       .chain = {producer, dependent({wait(), trigger()}), early_reader}},
      {.label = "middle reads the same, waits, then triggers; reads before the wait",
       .chain = {producer, caching_middle, early_reader}},
      {.label = "one CTA of the middle waits before its trigger; reads before the wait",
       .chain = {producer, dependent({wait().in_first_block(), trigger()}), early_reader}},
      {.label = "one CTA of the middle waits and exits, the others exit; reads before the wait",
       .chain = {producer, dependent({wait().in_first_block()}), early_reader}},
  };
}

}  // namespace

Experiment trigger_order_experiment() {
  return {.name = "trigger-order",
          .question = "What does the order of wait and trigger in a kernel mean for the next one?",
          .looked_for = kOldValue,
          .run = run_cases(trigger_order_cases)};
}

}  // namespace slipstream::litmus
