#include <fmt/format.h>

#include "check/rules/early_access.h"
#include "check/rules/rules.h"

namespace slipstream::check {
namespace {

// Reads through the read-only path are outside the ordering guarantees wherever PTX has them: the
// compiler may still move them. Where SASS has them is where they stay.
void check_read_only_path(const KernelCode& code, FindingList& findings) {
  if (!may_overlap(code)) return;
  const auto& instructions = code.function().instructions;
  for (uint32_t i = 0; i < instructions.size(); ++i) {
    if (!instructions[i].non_coherent || !touches_memory(instructions[i].action)) continue;
    const Subject subject = code.subject_of(i);
    if (!code.is_reached(i) || subject.origins.empty()) continue;
    const std::optional<Judgement> judgement = judge_read(code, subject);
    if (!judgement) continue;
    Finding finding =
        new_finding(code, Rule::kReadOnlyPath, judgement->severity, judgement->certainty);
    finding.subject = code.describe(subject);
    finding.threads = "every thread";
    finding.message = fmt::format("Reads {} through the read-only path (ld.global.nc), {}",
                                  finding.subject, judgement->because);
    findings.add(std::move(finding), code.place_of(i), code.image());
  }
}

void check_read_only_path(const KernelForms& forms, FindingList& findings) {
  for (const KernelCode* code : forms.ptx) check_read_only_path(*code, findings);
}

}  // namespace

const RuleInfo kReadOnlyPath = {
    .rule = Rule::kReadOnlyPath,
    .id = "R4",
    .file = "r04_read_only_path",
    .title = "memory that may be produced is read through the read-only path",
    .severity = "warning; error if the kernel writes there too or the pointer's type is not const",
    .in_ptx = "yes",
    .in_sass = "no: there the read has its place",
    .reason = R"(
`const __restrict__`, `__ldg()`, `ld.global.nc` and textures promise the compiler that nobody writes
the memory while the kernel runs. With PDL somebody may: the kernel starts before its producer has
ended. The compiler takes the promise as leave to move such a read above the wait, and to use a
value again that was read before it.

In machine code nothing moves any more: a read that stayed below the wait is right, and one above it
is R1, R2 or R5.
)",
    .mend =
        "Drop `const __restrict__`, `__ldg` or `ld.global.nc`: the compilers move such reads "
        "over the wait and reuse values read before it.",
    .example = {.wrong = R"(
__global__ void scale(const float* __restrict__ in, float* __restrict__ out) {
  cudaGridDependencySynchronize();
  out[threadIdx.x] = 2.0F * in[threadIdx.x];
}
)",
                .right = R"(
__global__ void scale(const float* in, float* out) {
  cudaGridDependencySynchronize();
  out[threadIdx.x] = 2.0F * in[threadIdx.x];
}
)",
                .launches = ""},
    .corpus = "cccl_11463_restrict_reuse",
    .check = &check_read_only_path,
};

}  // namespace slipstream::check
