// R3 and R7: grids that may complete without a wait, and images that lost theirs.
#include <fmt/format.h>

#include <algorithm>

#include "check/rules/rules.h"

namespace slipstream::check {
namespace {

// The first access that other grids may see, to have a line to show; otherwise the first
// instruction.
uint32_t first_access(const KernelCode& code) {
  const auto& instructions = code.function().instructions;
  for (uint32_t i = 0; i < instructions.size(); ++i) {
    if (touches_memory(instructions[i].action) && !code.subject_of(i).origins.empty()) return i;
  }
  return 0;
}

bool triggers(const KernelCode& code) {
  const auto& instructions = code.function().instructions;
  return std::any_of(instructions.begin(), instructions.end(),
                     [](const Instruction& one) { return one.action == Action::kTrigger; });
}

void report_missing_wait(const KernelCode& code, bool other_image_waits, FindingList& findings) {
  if (code.function().instructions.empty()) return;
  const bool launched = code.pdl() == true;
  Finding finding =
      new_finding(code, Rule::kWaitMissingInImage,
                  launched || other_image_waits ? Severity::kError : Severity::kWarning,
                  launched ? Certainty::kProven : Certainty::kLikely);
  finding.threads = "every thread";
  if (other_image_waits) {
    finding.message = fmt::format(
        "Has no griddepcontrol.wait in the image for sm_{}, while another image of the same kernel "
        "has one: it was compiled out",
        code.function().architecture);
  } else if (launched) {
    finding.message = "Is launched with the PDL attribute and never waits";
  } else {
    finding.message =
        "Triggers its dependents and never waits: launched with the PDL attribute, all its global "
        "accesses race with earlier grids";
  }
  findings.add(std::move(finding), code.place_of(first_access(code)), code.image());
}

// Every thread of every kind can leave without a wait, whatever its coordinates are.
void report_skipped_wait(const KernelCode& code, FindingList& findings) {
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
      "kernels behind it are then not ordered behind those before it";
  finding.path = code.path_to(exit);
  findings.add(std::move(finding), code.place_of(code.last_decision_before(exit)), code.image());
}

}  // namespace

void check_waits(const KernelForms& forms, FindingList& findings) {
  std::vector<const KernelCode*> all = forms.ptx;
  all.insert(all.end(), forms.sass.begin(), forms.sass.end());
  const bool one_waits = std::any_of(
      all.begin(), all.end(), [](const KernelCode* code) { return code->ordering().has_wait; });
  for (const KernelCode* code : all) {
    if (code->pdl() == false) continue;
    if (code->ordering().has_wait) {
      report_skipped_wait(*code, findings);
      continue;
    }
    // SASS below sm_90 never runs where PDL exists; PTX below may be compiled for it.
    const bool cannot_run =
        code->function().code == CodeKind::kSass && code->function().architecture < 90;
    const bool concerned = one_waits || code->pdl() == true || triggers(*code);
    if (concerned && !cannot_run) report_missing_wait(*code, one_waits, findings);
  }
}

}  // namespace slipstream::check
