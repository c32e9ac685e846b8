#include <fmt/format.h>

#include "check/rules/forward_search.h"
#include "check/rules/hand_over.h"
#include "check/rules/rules.h"

namespace slipstream::check {
namespace {

RoleSet triggering_threads(const KernelCode& code) {
  RoleSet result;
  const auto& instructions = code.function().instructions;
  for (uint32_t i = 0; i < instructions.size(); ++i) {
    if (instructions[i].action != Action::kTrigger) continue;
    result |= code.ordering().before[i] | code.ordering().after[i];
  }
  return result;
}

// Threads that write but never trigger themselves must meet one that does before it triggers.
bool leaves_writers_out(const KernelCode& code, uint32_t write) {
  const RoleSet triggering = triggering_threads(code);
  const RoleSet writing = code.ordering().before[write] | code.ordering().after[write];
  if (triggering.none() || (writing & ~triggering).none()) return false;
  const auto& instructions = code.function().instructions;
  const auto meets = [&](uint32_t i) {
    return instructions[i].guard == kNone && (instructions[i].action == Action::kBarrier ||
                                              instructions[i].action == Action::kBarrierArrive);
  };
  return ForwardSearch(code).run(write, meets,
                                 [&](uint32_t i) { return releases(instructions[i]); });
}

void check_one_warp_triggers(const KernelForms& forms, FindingList& findings) {
  for (const KernelCode* code : forms.judged()) {
    for (const uint32_t write : handed_over_writes(*code)) {
      if (is_unfenced(*code, write) || !leaves_writers_out(*code, write)) continue;  // unfenced: R8
      Finding finding =
          new_finding(*code, Rule::kOneWarpTriggers, Severity::kError, Certainty::kProven);
      finding.subject = code->describe(code->subject_of(write));
      finding.threads = "every thread";
      finding.message = fmt::format(
          "Hands {} over, but threads that write it neither trigger nor meet the one that does",
          finding.subject);
      findings.add(std::move(finding), code->place_of(write), code->image());
    }
  }
}

}  // namespace

const RuleInfo kOneWarpTriggers = {
    .rule = Rule::kOneWarpTriggers,
    .id = "R12",
    .file = "r12_one_warp_triggers",
    .title = "one warp triggers while others still write handed-over data",
    .severity = "needs the role `hands-over`: error",
    .in_ptx = "yes",
    .in_sass = "yes",
    .reason = R"(
The trigger of one thread counts for its CTA. Where some warps write memory that is handed over
early and another one triggers, the dependent may start while the others are still at it, whatever
fences they execute afterwards. A barrier before the trigger makes it wait for them.

A trigger before the last write is no fault where nothing is handed over early: the dependent's wait
covers the whole grid.
)",
    .mend = "Put a barrier before the trigger.",
    .example = {.wrong = R"(
__global__ void __launch_bounds__(64) produce(float* out) {
  cudaGridDependencySynchronize();
  out[threadIdx.x] = 1.0F;
  __threadfence();
  if (threadIdx.x < 32) cudaTriggerProgrammaticLaunchCompletion();
}
)",
                .right = R"(
__global__ void __launch_bounds__(64) produce(float* out) {
  cudaGridDependencySynchronize();
  out[threadIdx.x] = 1.0F;
  __threadfence();
  __syncthreads();
  if (threadIdx.x < 32) cudaTriggerProgrammaticLaunchCompletion();
}
)",
                .launches = R"(
{"kernels": [{"name": "produce", "parameters": [{"index": 0, "role": "hands-over"}]}]}
)"},
    .corpus = "",
    .check = &check_one_warp_triggers,
};

}  // namespace slipstream::check
