#include "litmus/experiments/all.h"

namespace slipstream::litmus {
namespace {

// A late writer, then a dependent kernel that neither waits nor does anything and is complete at
// once. What follows it must still find the writer complete.
std::vector<Case> after_cases() {
  const Kernel producer = normal(late_writer());
  const Kernel never_waits = dependent({trigger()});
  const Kernel reader_in_other_stream{.script = {read(1)}, .stream = 1};
  return {
      {.label = "a kernel without the attribute",
       .chain = {producer, never_waits, normal({read(1)})},
       .promise = Promise::kNever},
      {.label = "an event, awaited by another stream",
       .chain = {producer, never_waits, RecordEvent{0, 0}, AwaitEvent{0, 1}, reader_in_other_stream,
                 RecordEvent{1, 1}, AwaitEvent{1, 0}},
       .promise = Promise::kNever},
      {.label = "a memset, then a kernel that never waits",
       .chain = {producer, never_waits, Memset{}, dependent({read(1)})}},
      {.label = "another graph that starts without the attribute",
       .chain = {producer, never_waits, NextGraph{}, normal({read(1)})},
       .promise = Promise::kNever,
       .stream = false},
  };
}

}  // namespace

Experiment after_experiment() {
  return {.name = "after",
          .question = "A kernel never waits: is what follows it still in stream order?",
          .looked_for = kOldValue,
          .run = run_cases(after_cases)};
}

}  // namespace slipstream::litmus
