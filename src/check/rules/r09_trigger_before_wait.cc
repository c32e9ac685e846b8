#include "check/rules/rules.h"

namespace slipstream::check {
namespace {

void check_trigger_before_wait(const KernelCode& code, FindingList& findings) {
  if (code.pdl() == false || !code.ordering().has_wait) return;
  const auto& instructions = code.function().instructions;
  for (uint32_t i = 0; i < instructions.size(); ++i) {
    if (instructions[i].action != Action::kTrigger) continue;
    if (!code.ordering().reachable_before(i)) continue;
    Finding finding =
        new_finding(code, Rule::kTriggerBeforeWait, Severity::kNote, Certainty::kProven);
    finding.threads = code.ordering().describe(code.ordering().before[i]);
    finding.message =
        "Triggers before its wait: the next kernel's code before its own wait then overlaps every "
        "earlier kernel that is unfinished, not only this one";
    if (findings.is_new(finding)) finding.path = code.path_to(i);
    findings.add(std::move(finding), code.place_of(i), code.image());
  }
}

void check_trigger_before_wait(const KernelForms& forms, FindingList& findings) {
  for (const KernelCode* code : forms.judged()) check_trigger_before_wait(*code, findings);
}

}  // namespace

const RuleInfo kTriggerBeforeWait = {
    .rule = Rule::kTriggerBeforeWait,
    .id = "R9",
    .file = "r09_trigger_before_wait",
    .title = "a trigger is reachable before the wait",
    .severity = "note",
    .in_ptx = "yes",
    .in_sass = "yes",
    .reason = R"(
It is legal. It puts a duty on the kernels that follow: their code before their wait then runs next
to every earlier kernel that is unfinished, not only next to this one. Where that code read produced
memory, 265 of 300 runs on an H200 were wrong; R1 reports it there.
)",
    .mend =
        "Trigger after the wait, unless every later kernel reads only constants before its "
        "own.",
    .example = {.wrong = R"(
__global__ void scale(const float* in, float* out) {
  cudaTriggerProgrammaticLaunchCompletion();
  cudaGridDependencySynchronize();
  out[threadIdx.x] = 2.0F * in[threadIdx.x];
}
)",
                .right = R"(
__global__ void scale(const float* in, float* out) {
  cudaGridDependencySynchronize();
  cudaTriggerProgrammaticLaunchCompletion();
  out[threadIdx.x] = 2.0F * in[threadIdx.x];
}
)",
                .launches = ""},
    .corpus = "",
    .check = &check_trigger_before_wait,
};

}  // namespace slipstream::check
