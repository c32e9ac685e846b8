#include "litmus/experiments/all.h"

namespace slipstream::litmus {
namespace {

// A late writer, then grids in the middle that do not wait, then a reader that waits: does its wait
// cover the writer, which is not its direct predecessor?
std::vector<Case> transitivity_cases() {
  const Kernel producer = normal(late_writer());
  const Kernel never_waits = dependent({});
  const Kernel triggers_only = dependent({trigger()});
  const Kernel one_block_waits = dependent({trigger(), wait().in_first_block()});
  const Kernel all_wait = dependent({trigger(), wait()});
  const Kernel reader = dependent({wait(), read(1)});
  const Kernel early_reader = dependent({read(1), wait()});
  const Kernel waits_for_nothing = normal({});
  return {
      {.label = "one middle that never waits", .chain = {producer, never_waits, reader}},
      {.label = "one middle that triggers and never waits",
       .chain = {producer, triggers_only, reader}},
      {.label = "two middles that never wait",
       .chain = {producer, never_waits, triggers_only, reader}},
      {.label = "eight middles that never wait",
       .chain = {producer, triggers_only, triggers_only, triggers_only, triggers_only,
                 triggers_only, triggers_only, triggers_only, triggers_only, reader}},
      {.label = "a middle of which one CTA waits",
       .chain = {producer, one_block_waits, reader},
       .promise = Promise::kNever},
      {.label = "a middle that triggers, then waits",
       .chain = {producer, all_wait, reader},
       .promise = Promise::kNever},
      {.label = "a middle without the attribute",
       .chain = {producer, waits_for_nothing, reader},
       .promise = Promise::kNever},
      {.label = "one middle that never waits; reads before the wait",
       .chain = {producer, triggers_only, early_reader},
       .promise = Promise::kMay},
      {.label = "three middles that wait after their trigger; reads before the wait",
       .chain = {producer, all_wait, all_wait, all_wait, early_reader},
       .promise = Promise::kMay},
      {.label = "a middle without the attribute; reads before the wait",
       .chain = {producer, waits_for_nothing, early_reader},
       .promise = Promise::kNever},
  };
}

}  // namespace

Experiment transitivity_experiment() {
  return {.name = "transitivity",
          .question = "Does a wait cover more than the direct predecessor?",
          .looked_for = kOldValue,
          .run = run_cases(transitivity_cases)};
}

}  // namespace slipstream::litmus
