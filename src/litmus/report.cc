#include "litmus/report.h"

#include <fmt/format.h>

namespace slipstream::litmus {
namespace {

const char* mode_name(Mode mode) { return mode == Mode::kStream ? "stream" : "graph"; }

// In words: what the documents say of the thing that was looked for.
const char* promise_text(Promise promise) {
  switch (promise) {
    case Promise::kNever:
      return "documents rule it out";
    case Promise::kMay:
      return "documents allow it";
    case Promise::kUnsaid:
      return "no document says";
  }
  return "";
}

const char* promise_name(Promise promise) {
  switch (promise) {
    case Promise::kNever:
      return "ruled-out";
    case Promise::kMay:
      return "allowed";
    case Promise::kUnsaid:
      return "unsaid";
  }
  return "";
}

// Never more than what was seen: that something was not observed proves nothing.
std::string outcome(const Observation& observation) {
  if (!observation.refused.empty()) return "refused";
  if (observation.observed == 0) return fmt::format("not observed in {} runs", observation.runs);
  return fmt::format("observed in {} of {} runs", observation.observed, observation.runs);
}

std::string observation_text(const Observation& observation) {
  std::string text =
      fmt::format("  {:<6}  {:<28}  {:<22}  {}\n", mode_name(observation.mode),
                  outcome(observation), promise_text(observation.promise), observation.label);
  if (!observation.refused.empty()) text += fmt::format("          {}\n", observation.refused);
  if (breaks_promise(observation)) text += "          THIS DEVICE BREAKS THE DOCUMENTED PROMISE\n";
  return text;
}

}  // namespace

bool breaks_promise(const Observation& observation) {
  return observation.promise == Promise::kNever && observation.observed > 0;
}

std::string text_report(const Experiment& experiment, const Findings& findings) {
  std::string text = fmt::format("\n{}: {}\n", experiment.name, experiment.question);
  if (!findings.observations.empty()) {
    text += fmt::format("  looked for: {}\n", experiment.looked_for);
  }
  for (const Observation& observation : findings.observations) {
    text += observation_text(observation);
  }
  for (const Fact& fact : findings.facts) text += fmt::format("  {}: {}\n", fact.label, fact.text);
  return text;
}

io::Json json_report(const Experiment& experiment, const Findings& findings) {
  io::Json json{{"name", experiment.name},
                {"question", experiment.question},
                {"looked_for", experiment.looked_for},
                {"observations", io::Json::array()},
                {"facts", io::Json::array()}};
  for (const Observation& observation : findings.observations) {
    io::Json entry{{"case", observation.label},
                   {"mode", mode_name(observation.mode)},
                   {"documents", promise_name(observation.promise)},
                   {"observed", observation.observed},
                   {"runs", observation.runs}};
    if (!observation.refused.empty()) entry["refused"] = observation.refused;
    json["observations"].push_back(std::move(entry));
  }
  for (const Fact& fact : findings.facts) {
    json["facts"].push_back({{"case", fact.label}, {"text", fact.text}});
  }
  return json;
}

}  // namespace slipstream::litmus
