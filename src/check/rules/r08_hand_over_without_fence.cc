#include <fmt/format.h>

#include "check/rules/hand_over.h"
#include "check/rules/rules.h"

namespace slipstream::check {
namespace {

// Why a dependent may miss what was written; empty if it does not.
std::string fault_of(const KernelCode& code, uint32_t write) {
  const bool is_copy = code.function().instructions[write].action == Action::kCopyToGlobal;
  if (is_unfenced(code, write)) {
    return fmt::format("without a {} between the write and the trigger",
                       is_copy ? "wait for the copy and then a fence of gpu or sys scope"
                               : "fence of gpu or sys scope");
  }
  return comes_after_trigger(code, write) ? "and writes it after its trigger" : "";
}

void check_hand_over_without_fence(const KernelForms& forms, FindingList& findings) {
  for (const KernelCode* code : forms.judged()) {
    for (const uint32_t write : handed_over_writes(*code)) {
      const std::string fault = fault_of(*code, write);
      if (fault.empty()) continue;
      Finding finding =
          new_finding(*code, Rule::kHandOverWithoutFence, Severity::kError, Certainty::kProven);
      finding.subject = code->describe(code->subject_of(write));
      finding.threads = "every thread";
      finding.message = fmt::format("Hands {} over to a kernel that reads it before its wait, {}",
                                    finding.subject, fault);
      findings.add(std::move(finding), code->place_of(write), code->image());
    }
  }
}

}  // namespace

const RuleInfo kHandOverWithoutFence = {
    .rule = Rule::kHandOverWithoutFence,
    .id = "R8",
    .file = "r08_hand_over_without_fence",
    .title = "memory is handed over before the grid ends, unfenced",
    .severity = "needs the role `hands-over`: error",
    .in_ptx = "yes",
    .in_sass = "stores only",
    .reason = R"(
A trigger publishes nothing: the dependent kernel's wait does. A kernel may still hand memory over
early, to a dependent that reads it before its wait, if every thread that writes it executes a fence
of gpu or sys scope between the write and the trigger. For a bulk copy the thread must first wait
for the copy to complete. A thread triggers once: what it writes after that, in a later round of a
loop for instance, is not handed over.

Between two memory synchronization domains a fence of gpu scope is not enough. This rule does not
know the domains; the dynamic check does.
)",
    .mend =
        "Put `__threadfence()` between the last write and the trigger, in every thread that "
        "writes, or let the consumer wait before it reads.",
    .example = {.wrong = R"(
__global__ void produce(float* out) {
  cudaGridDependencySynchronize();
  out[threadIdx.x] = 1.0F;
  cudaTriggerProgrammaticLaunchCompletion();
}
)",
                .right = R"(
__global__ void produce(float* out) {
  cudaGridDependencySynchronize();
  out[threadIdx.x] = 1.0F;
  __threadfence();
  cudaTriggerProgrammaticLaunchCompletion();
}
)",
                .launches = R"(
{"kernels": [{"name": "produce", "parameters": [{"index": 0, "role": "hands-over"}]}]}
)"},
    .corpus = "hand_over_without_fence",
    .check = &check_hand_over_without_fence,
};

}  // namespace slipstream::check
