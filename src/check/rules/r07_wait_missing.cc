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

std::string compiled_out(uint32_t architecture) {
  return fmt::format(
      "Has no griddepcontrol.wait in the image for sm_{}, while another image of the same kernel "
      "has one: it was compiled out",
      architecture);
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
    finding.message = compiled_out(code.function().architecture);
  } else if (launched) {
    finding.message = "Is launched with the PDL attribute and never waits";
  } else {
    finding.message =
        "Triggers its dependents and never waits: launched with the PDL attribute, all its global "
        "accesses race with earlier grids";
  }
  findings.add(std::move(finding), code.place_of(first_access(code)), code.image());
}

void check_wait_missing(const KernelForms& forms, FindingList& findings) {
  const std::vector<const KernelCode*> all = forms.all();
  const bool one_waits =
      forms.another_waits || std::any_of(all.begin(), all.end(), [](const KernelCode* code) {
        return code->ordering().has_wait;
      });
  for (const KernelCode* code : all) {
    if (code->pdl() == false || code->ordering().has_wait) continue;
    // SASS below sm_90 never runs where PDL exists; PTX below may be compiled for it.
    const bool cannot_run =
        code->function().code == CodeKind::kSass && code->function().architecture < 90;
    const bool concerned = one_waits || code->pdl() == true || triggers(*code);
    // Who calls what is not seen may wait there.
    const bool may_wait = !code->function().not_understood.empty();
    if (concerned && !cannot_run && !may_wait) report_missing_wait(*code, one_waits, findings);
  }
}

}  // namespace

void report_compiled_out(const std::string& kernel, const BareForm& form, FindingList& findings) {
  Finding finding;
  finding.rule = Rule::kWaitMissingInImage;
  finding.severity = Severity::kError;
  finding.certainty = Certainty::kLikely;
  finding.kernel = demangle(kernel);
  finding.mangled = kernel;
  finding.threads = "every thread";
  finding.message = compiled_out(form.architecture);
  findings.add(std::move(finding), form.place, form.image);
}

const RuleInfo kWaitMissingInImage = {
    .rule = Rule::kWaitMissingInImage,
    .id = "R7",
    .file = "r07_wait_missing",
    .title = "a kernel that is launched with the PDL attribute has no wait in it",
    .severity = "error if another image of the kernel waits; warning for a trigger without a wait",
    .in_ptx = "yes",
    .in_sass = "yes",
    .reason = R"(
With the attribute and without a wait, all the kernel's accesses race with earlier grids. Two ways
lead there: the attribute is set for every launch, and this kernel was not made for it; or the wait
stands in an `#if` for one architecture, and the image that gets loaded was compiled for another
one.

A kernel that neither waits nor triggers is reported only if a launches file says that it has the
attribute: launched without it, it is right. One that calls functions which cannot be followed, in
PTX those behind a pointer, is not reported: it may wait there.
)",
    .mend = "Add the wait, compile it in for this architecture, or launch without the attribute.",
    .example = {.wrong = R"(
__global__ void scale(const float* in, float* out) { out[threadIdx.x] = 2.0F * in[threadIdx.x]; }
)",
                .right = R"(
__global__ void scale(const float* in, float* out) {
  cudaGridDependencySynchronize();
  out[threadIdx.x] = 2.0F * in[threadIdx.x];
}
)",
                .launches = R"(
{"kernels": [{"name": "scale", "pdl": true}]}
)"},
    .corpus = "flashinfer_2708_macro_missing",
    .check = &check_wait_missing,
};

}  // namespace slipstream::check
