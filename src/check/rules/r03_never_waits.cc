#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>
#include <string>

#include "check/rules/rules.h"

namespace slipstream::check {
namespace {

// Right as long as the host sets the parameter where it sets the attribute.
void report_gate(const KernelCode& code, const WaitGate& gate, FindingList& findings) {
  Finding finding =
      new_finding(code, Rule::kNeverWaits, Severity::kNote, Certainty::kDependsOnCaller);
  std::set<std::string> names;
  for (const int64_t offset : gate.parameters) names.insert(code.describe_parameter(offset));
  finding.subject = "the wait's condition";
  finding.threads = "every thread";
  finding.message = fmt::format(
      "Waits only as {} says: it must say so wherever the kernel is launched with the attribute. "
      "The rest is judged as if it waits",
      fmt::join(names, " and "));
  findings.add(std::move(finding), code.place_of(gate.instruction), code.image());
}

// Every thread of every kind can leave without a wait, whatever its coordinates are.
void check_never_waits(const KernelCode& code, FindingList& findings) {
  if (code.pdl() == false || !code.ordering().has_wait) return;  // without a wait: R7
  for (const WaitGate& gate : code.wait_gates()) report_gate(code, gate, findings);
  const auto& instructions = code.function().instructions;
  RoleSet leaves;
  uint32_t exit = 0;
  for (uint32_t i = 0; i < instructions.size(); ++i) {
    if (instructions[i].action != Action::kExit) continue;
    if (code.ordering().before[i].any()) exit = i;
    leaves |= code.ordering().before[i];
  }
  const bool all = leaves.count() == code.ordering().roles.size();
  if (!all || code.depends_on_block(exit)) return;
  Finding finding = new_finding(code, Rule::kNeverWaits, Severity::kWarning, Certainty::kLikely);
  finding.threads = "every thread";
  finding.message =
      "May end without a wait in any thread, on a path that depends on data or parameters only: "
      "later kernels are then not ordered after earlier ones";
  finding.path = code.path_to(exit);
  findings.add(std::move(finding), code.place_of(code.last_decision_before(exit)), code.image());
}

void check_never_waits(const KernelForms& forms, FindingList& findings) {
  for (const KernelCode* code : forms.all()) check_never_waits(*code, findings);
}

}  // namespace

const RuleInfo kNeverWaits = {
    .rule = Rule::kNeverWaits,
    .id = "R3",
    .file = "r03_never_waits",
    .title = "a grid may complete without any thread having waited",
    .severity = "warning; note for a wait that a parameter switches on",
    .in_ptx = "yes",
    .in_sass = "yes",
    .reason = R"(
A wait covers the kernels before it only as far as each of them waited too. A kernel in the middle
of a chain that ends without a wait may complete before its predecessor does, and then the next
kernel's wait need not cover that predecessor.

An H200 was seen to wait for all grids in flight (0 of 300 runs wrong), and no document promises it;
so this is a warning. A CTA that leaves early because of its index does no harm while another CTA of
the grid waits.

A wait that a parameter switches on (`if (use_pdl) wait`) is a note, and the kernel is judged as if
it waits: the host must set the parameter exactly where it sets the attribute.
)",
    .mend =
        "Wait on every path, or launch the kernel without the PDL attribute: what follows it "
        "is otherwise not ordered after what precedes it.",
    .example = {.wrong = R"(
__global__ void scale(const float* in, float* out, int count) {
  if (count == 0) return;
  cudaGridDependencySynchronize();
  out[threadIdx.x] = 2.0F * in[threadIdx.x];
}
)",
                .right = R"(
__global__ void scale(const float* in, float* out, int count) {
  cudaGridDependencySynchronize();
  if (count == 0) return;
  out[threadIdx.x] = 2.0F * in[threadIdx.x];
}
)",
                .launches = ""},
    .corpus = "gpuowl_33_middle_never_waits",
    .check = &check_never_waits,
};

}  // namespace slipstream::check
