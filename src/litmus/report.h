// What was found, for people and for programs.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "litmus/experiment.h"

namespace slipstream::litmus {

// A broken promise: something seen that documents say cannot happen.
[[nodiscard]] bool breaks_promise(const Observation& observation);

[[nodiscard]] std::string text_report(const Experiment& experiment, const Findings& findings);
[[nodiscard]] nlohmann::json json_report(const Experiment& experiment, const Findings& findings);

}  // namespace slipstream::litmus
