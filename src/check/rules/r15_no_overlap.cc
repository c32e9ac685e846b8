#include "check/rules/rules.h"

namespace slipstream::check {
namespace {

void check_no_overlap(const KernelCode& code, FindingList& findings) {
  if (code.pdl() != true) return;
  uint32_t wait = kNone;
  const auto& instructions = code.function().instructions;
  for (uint32_t i = 0; i < instructions.size(); ++i) {
    const Action action = instructions[i].action;
    if (action == Action::kTrigger) return;
    if (action == Action::kWait && wait == kNone) wait = i;
    const bool works = touches_memory(action) && !code.subject_of(i).origins.empty();
    if (works && code.ordering().reachable_before(i)) return;
  }
  if (wait == kNone) return;
  Finding finding = new_finding(code, Rule::kNoOverlap, Severity::kNote, Certainty::kProven);
  finding.threads = "every thread";
  finding.message =
      "Never triggers and reads nothing before its wait: the attribute saves launch latency only";
  findings.add(std::move(finding), code.place_of(wait), code.image());
}

void check_no_overlap(const KernelForms& forms, FindingList& findings) {
  for (const KernelCode* code : forms.judged()) check_no_overlap(*code, findings);
}

}  // namespace

const RuleInfo kNoOverlap = {
    .rule = Rule::kNoOverlap,
    .id = "R15",
    .file = "r15_no_overlap",
    .title = "the kernel waits at once and never triggers",
    .severity = "needs `\"pdl\": true`: note",
    .in_ptx = "yes",
    .in_sass = "yes",
    .reason = R"(
Nothing is wrong, and little is won. Without a trigger the next kernel starts when this one ends;
without work before the wait this one only gets its launch latency hidden.
)",
    .mend =
        "Trigger, or do work that depends on nothing before the wait; otherwise only launch "
        "latency is saved.",
    .example = {.wrong = R"(
__global__ void scale(const float* weights, const float* in, float* out) {
  cudaGridDependencySynchronize();
  out[threadIdx.x] = weights[threadIdx.x] * in[threadIdx.x];
}
)",
                .right = R"(
__global__ void scale(const float* weights, const float* in, float* out) {
  const float weight = weights[threadIdx.x];
  cudaGridDependencySynchronize();
  cudaTriggerProgrammaticLaunchCompletion();
  out[threadIdx.x] = weight * in[threadIdx.x];
}
)",
                .launches = R"(
{"kernels": [{"name": "scale", "pdl": true,
              "parameters": [{"index": 0, "role": "constant", "name": "weights"}]}]}
)"},
    .corpus = "",
    .check = &check_no_overlap,
};

}  // namespace slipstream::check
