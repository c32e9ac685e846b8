#include "litmus/experiment.h"

#include <fmt/format.h>

#include "slipstream/error.h"

namespace slipstream::litmus {
namespace {

bool slot_zero_wrong(const Slots& slots) {
  if (slots[0].reads == 0) throw std::logic_error("a litmus chain has read nothing in slot 0");
  return slots[0].wrong > 0;
}

Observation observe(Rig& rig, const Case& test, Mode mode) {
  Observation result{.label = test.label, .mode = mode, .promise = test.promise, .refused = {}};
  const auto sees = test.sees ? test.sees : slot_zero_wrong;
  try {
    rig.repeat(test.chain, {.mode = mode, .host_memory = test.host_memory, .traffic = test.traffic},
               [&](const Slots& slots) {
                 ++result.runs;
                 if (sees(slots)) ++result.observed;
               });
  } catch (const CudaError& error) {
    result.refused = error.what();
  } catch (const TimedOut& error) {
    throw TimedOut(fmt::format("{}: {}", test.label, error.what()));
  }
  return result;
}

}  // namespace

Findings observe(Rig& rig, const std::vector<Case>& cases) {
  Findings findings;
  for (const Case& test : cases) {
    if (test.stream) findings.observations.push_back(observe(rig, test, Mode::kStream));
    if (test.graph) findings.observations.push_back(observe(rig, test, Mode::kGraph));
  }
  return findings;
}

}  // namespace slipstream::litmus
