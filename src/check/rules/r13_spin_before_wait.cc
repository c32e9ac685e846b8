#include <fmt/format.h>

#include "check/analysis/polls.h"
#include "check/rules/rules.h"

namespace slipstream::check {
namespace {

void check_spin_before_wait(const KernelCode& code, FindingList& findings) {
  if (code.pdl() == false || !code.ordering().has_wait) return;
  for (const uint32_t i : polls_before_wait(code)) {
    Finding finding =
        new_finding(code, Rule::kSpinBeforeWait, Severity::kWarning, Certainty::kLikely);
    finding.subject = code.describe(code.subject_of(i));
    finding.threads = code.ordering().describe(code.ordering().before[i]);
    finding.message = fmt::format(
        "Spins on {} before its wait: its CTAs hold their multiprocessors while the kernel that "
        "would release them may need the room",
        finding.subject);
    findings.add(std::move(finding), code.place_of(i), code.image());
  }
}

void check_spin_before_wait(const KernelForms& forms, FindingList& findings) {
  for (const KernelCode* code : forms.judged()) check_spin_before_wait(*code, findings);
}

}  // namespace

const RuleInfo kSpinBeforeWait = {
    .rule = Rule::kSpinBeforeWait,
    .id = "R13",
    .file = "r13_spin_before_wait",
    .title = "the kernel spins on memory before its wait",
    .severity = "warning",
    .in_ptx = "yes",
    .in_sass = "yes",
    .reason = R"(
A grid that starts early and spins keeps its multiprocessors. If the kernel that would set the flag
has CTAs left to start and finds no room for them, neither ever ends. Whether that happens depends
on grid sizes and on what else runs, which no binary shows.
)",
    .mend =
        "Wait first: while it spins it may hold the multiprocessors that the other side "
        "needs.",
    .example = {.wrong = R"(
__global__ void scale(volatile int* ready, float* out) {
  while (*ready == 0) {
  }
  cudaGridDependencySynchronize();
  out[threadIdx.x] *= 2.0F;
}
)",
                .right = R"(
__global__ void scale(volatile int* ready, float* out) {
  cudaGridDependencySynchronize();
  while (*ready == 0) {
  }
  out[threadIdx.x] *= 2.0F;
}
)",
                .launches = ""},
    .corpus = "mirage_761_spins_before_wait",
    .check = &check_spin_before_wait,
};

}  // namespace slipstream::check
