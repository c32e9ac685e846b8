#include <fmt/format.h>

#include <algorithm>

#include "check/analysis/evaluate.h"
#include "check/rules/rules.h"

namespace slipstream::check {
namespace {

// Blocks from which control can come back to themselves.
std::vector<bool> blocks_in_loops(const ControlFlow& flow) {
  std::vector<bool> result(flow.blocks.size());
  for (uint32_t start = 0; start < flow.blocks.size(); ++start) {
    std::vector<bool> seen(flow.blocks.size());
    std::vector<uint32_t> work = {start};
    while (!work.empty() && !result[start]) {
      const uint32_t block = work.back();
      work.pop_back();
      for (const uint32_t next : flow.successors(block)) {
        if (next == start) result[start] = true;
        if (!seen[next]) work.push_back(next);
        seen[next] = true;
      }
    }
  }
  return result;
}

// A load that may be polled: ordered with a scope, in a loop, and what it reads decides a branch.
void check_code(const KernelCode& code, FindingList& findings) {
  if (code.pdl() == false || !code.ordering().has_wait) return;
  const Function& function = code.function();
  std::vector<uint32_t> polls;
  for (uint32_t i = 0; i < function.instructions.size(); ++i) {
    const Instruction& instruction = function.instructions[i];
    const bool polls_memory = reads_memory(instruction.action) && instruction.synchronizing &&
                              !code.subject_of(i).origins.empty();
    if (polls_memory && code.ordering().reachable_before(i)) polls.push_back(i);
  }
  if (polls.empty()) return;
  const std::vector<bool> in_loop = blocks_in_loops(code.flow());
  const Slice slice(function);
  for (const uint32_t i : polls) {
    const auto results = function.destinations_of(function.instructions[i]);
    const bool decides = std::any_of(results.begin(), results.end(),
                                     [&](uint32_t reg) { return slice.slot(reg) != kNone; });
    if (!decides || !in_loop[code.flow().block_of[i]]) continue;
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

void check(const KernelForms& forms, FindingList& findings) {
  for (const KernelCode* code : forms.judged()) check_code(*code, findings);
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
    .check = &check,
};

}  // namespace slipstream::check
