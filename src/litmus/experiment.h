// An experiment is a list of cases: a chain, what it would be wrong or interesting to see, and what
// the documents say of it.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "litmus/rig.h"

namespace slipstream::litmus {

// What is written about the thing a case looks for.
enum class Promise : uint8_t {
  kNever,   // documents promise that it cannot happen
  kMay,     // documents say that it may happen
  kUnsaid,  // no document promises that it cannot
};

struct Case {
  std::string label;
  Chain chain;
  Promise promise = Promise::kUnsaid;
  bool stream = true;  // where it is executed
  bool graph = true;
  bool host_memory = false;
  bool traffic = false;
  // Empty: a thread read a value other than the right one, in slot 0.
  std::function<bool(const Slots&)> sees = nullptr;
};

// One line of a report: what was looked for in one case and mode.
struct Observation {
  std::string label;
  Mode mode = Mode::kStream;
  Promise promise = Promise::kUnsaid;
  int observed = 0;
  int runs = 0;
  std::string refused;  // not empty: the runtime would not run it, and said this
};

// Something found out that is not a count: "graph edge: kernel -> kernel, programmatic".
struct Fact {
  std::string label;
  std::string text;
};

struct Findings {
  std::vector<Observation> observations;
  std::vector<Fact> facts;
};

struct Experiment {
  std::string name;
  std::string question;
  std::string looked_for;  // what a count counts: "an old value was read"
  std::function<Findings(Rig&)> run;
};

// All of them, in the order in which they run.
[[nodiscard]] std::span<const Experiment> experiments();

// Executes the cases in the modes they ask for.
[[nodiscard]] Findings observe(Rig& rig, const std::vector<Case>& cases);

}  // namespace slipstream::litmus
