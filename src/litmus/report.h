// What was found, for people and for programs.
#pragma once

#include <string>

#include "io/json_writer.h"
#include "litmus/experiment.h"

namespace slipstream::litmus {

// A broken promise: something seen that documents say cannot happen.
[[nodiscard]] bool breaks_promise(const Observation& observation);

[[nodiscard]] std::string text_report(const Experiment& experiment, const Findings& findings);
[[nodiscard]] io::Json json_report(const Experiment& experiment, const Findings& findings);

}  // namespace slipstream::litmus
