#include "litmus/experiments/all.h"

namespace slipstream::litmus {
namespace {

enum class Fires : uint8_t { kAtTrigger, kAtBlockStart, kLaunchCompletion };

Kernel firing(Fires when, const Script& script) {
  Kernel kernel{.script = script};
  if (when == Fires::kLaunchCompletion) {
    kernel.launch_completion_event = 0;
  } else {
    kernel.programmatic_event = 0;
    kernel.at_block_start = when == Fires::kAtBlockStart;
  }
  return kernel;
}

// Stream 0 has the writer, stream 1 the reader after the writer's event; stream 1 joins again at
// the end, as a capture demands.
Chain across_streams(Fires when, const Script& writer, const Script& reader, bool dependent) {
  return {firing(when, writer), AwaitEvent{0, 1},
          Kernel{.script = reader, .dependent = dependent, .stream = 1}, RecordEvent{1, 1},
          AwaitEvent{1, 0}};
}

std::vector<Case> events_cases() {
  const Script never_triggers{delay(), write(1)};
  const Script waits_first{wait(), read(1)};
  const Script reads_first{read(1), wait()};
  return {
      {.label = "programmatic event; reader with the attribute waits",
       .chain = across_streams(Fires::kAtTrigger, late_writer(), waits_first, true),
       .promise = Promise::kNever},
      {.label = "programmatic event; reader with the attribute reads before its wait",
       .chain = across_streams(Fires::kAtTrigger, late_writer(), reads_first, true),
       .promise = Promise::kMay},
      {.label = "programmatic event; reader without the attribute waits",
       .chain = across_streams(Fires::kAtTrigger, late_writer(), waits_first, false),
       .promise = Promise::kNever},
      {.label = "programmatic event; reader without the attribute reads before its wait",
       .chain = across_streams(Fires::kAtTrigger, late_writer(), reads_first, false),
       .promise = Promise::kMay},
      {.label = "programmatic event at block start; reader waits",
       .chain = across_streams(Fires::kAtBlockStart, never_triggers, waits_first, false),
       .promise = Promise::kNever},
      {.label = "programmatic event at block start; reader reads before its wait",
       .chain = across_streams(Fires::kAtBlockStart, never_triggers, reads_first, false),
       .promise = Promise::kMay},
      {.label = "launch completion event; reader waits",
       .chain = across_streams(Fires::kLaunchCompletion, never_triggers, waits_first, false),
       .promise = Promise::kMay},
      {.label = "launch completion event; reader never waits",
       .chain = across_streams(Fires::kLaunchCompletion, never_triggers, {read(1)}, false),
       .promise = Promise::kMay},
  };
}

}  // namespace

Experiment events_experiment() {
  return {.name = "events",
          .question = "Does a wait cover a kernel whose own event released the reader's stream?",
          .looked_for = kOldValue,
          .run = run_cases(events_cases)};
}

}  // namespace slipstream::litmus
