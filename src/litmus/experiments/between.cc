#include "litmus/experiments/all.h"

namespace slipstream::litmus {
namespace {

// Something other than a kernel stands between a late writer and a dependent kernel that never
// waits. What is a full barrier in a stream need not be one when captured.
std::vector<Case> between_cases() {
  const Kernel producer = normal(late_writer());
  const Kernel reader = dependent({read(1)});
  return {
      {.label = "nothing", .chain = {producer, reader}, .promise = Promise::kMay},
      {.label = "a memset of other memory", .chain = {producer, Memset{}, reader}},
      {.label = "a copy of other memory", .chain = {producer, Copy{}, reader}},
      {.label = "a host function", .chain = {producer, HostCall{}, reader}},
      {.label = "an event recorded (created with cudaEventDisableTiming)",
       .chain = {producer, RecordEvent{}, reader}},
      {.label = "an event with timing recorded",
       .chain = {producer, RecordEvent{.event = kTimingEvent}, reader}},
      // The other stream joins again at the end, as a capture demands.
      {.label = "an event recorded, which another stream awaits",
       .chain = {producer, RecordEvent{0, 0}, AwaitEvent{0, 1}, reader, RecordEvent{1, 1},
                 AwaitEvent{1, 0}}},
      {.label = "an event awaited that another stream recorded, soon complete",
       .chain = {RecordEvent{0, 0}, AwaitEvent{0, 1}, Kernel{.stream = 1}, RecordEvent{1, 1},
                 producer, AwaitEvent{1, 0}, reader}},
      {.label = "an event awaited that another stream recorded after a long kernel",
       .chain = {RecordEvent{0, 0}, AwaitEvent{0, 1}, Kernel{.script = {delay(200)}, .stream = 1},
                 RecordEvent{1, 1}, producer, AwaitEvent{1, 0}, reader}},
      {.label = "a kernel launched without the attribute",
       .chain = {producer, normal({}), reader},
       .promise = Promise::kNever},
      {.label = "the end of one graph and the start of the next",
       .chain = {producer, NextGraph{}, reader},
       .stream = false},
  };
}

}  // namespace

Experiment between_experiment() {
  return {.name = "between",
          .question = "What between two kernels keeps the second from starting early?",
          .looked_for = kOldValue,
          .run = run_cases(between_cases)};
}

}  // namespace slipstream::litmus
