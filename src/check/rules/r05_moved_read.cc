#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

#include "check/rules/rules.h"

namespace slipstream::check {
namespace {

// The source lines and the pointers of the reads that PTX has too early as well: those are the
// source's doing, and reported there.
struct EarlyReads {
  std::set<std::string> lines;
  std::set<std::string> subjects;
  bool any = false;
};

EarlyReads early_reads(const std::vector<const KernelCode*>& forms) {
  EarlyReads result;
  for (const KernelCode* code : forms) {
    const auto& instructions = code->function().instructions;
    for (uint32_t i = 0; i < instructions.size(); ++i) {
      if (!reads_memory(instructions[i].action) || !code->ordering().reachable_before(i)) continue;
      result.any = true;
      result.lines.insert(code->place_of(i).text());
      result.subjects.insert(code->describe(code->subject_of(i)));
    }
  }
  return result;
}

// The pointer that PTX reads through on this line, if it is one.
std::optional<Subject> subject_on_line(const std::vector<const KernelCode*>& forms,
                                       const Place& place) {
  std::optional<Subject> found;
  for (const KernelCode* code : forms) {
    const auto& instructions = code->function().instructions;
    for (uint32_t i = 0; i < instructions.size(); ++i) {
      if (!reads_memory(instructions[i].action)) continue;
      const Place other = code->place_of(i);
      if (other.file != place.file || other.line != place.line) continue;
      const Subject subject = code->subject_of(i);
      if (found && code->describe(*found) != code->describe(subject)) return std::nullopt;
      found = subject;
    }
  }
  return found;
}

bool is_untraced(const Subject& subject) {
  return std::all_of(subject.origins.begin(), subject.origins.end(), [](const Origin& origin) {
    return origin.kind == OriginKind::kUnknown ||
           (origin.kind == OriginKind::kParameterBlock && origin.value < 0);
  });
}

bool waits(const std::vector<const KernelCode*>& forms) {
  return std::any_of(forms.begin(), forms.end(),
                     [](const KernelCode* code) { return code->ordering().has_wait; });
}

void check_sass(const KernelCode& sass, const std::vector<const KernelCode*>& ptx,
                FindingList& findings) {
  if (sass.pdl() == false || !sass.ordering().has_wait || !waits(ptx)) return;
  const EarlyReads early = early_reads(ptx);
  const auto& instructions = sass.function().instructions;
  for (uint32_t i = 0; i < instructions.size(); ++i) {
    // Only loads move: atomics and asynchronous copies write as well.
    if (instructions[i].action != Action::kLoad || !sass.ordering().reachable_before(i)) continue;
    Subject subject = sass.subject_of(i);
    if (subject.origins.empty()) continue;
    const Place place = sass.place_of(i);
    const bool has_line = !place.file.empty();
    if (has_line && early.lines.contains(place.text())) continue;
    if (is_untraced(subject)) {
      // Without a line or a pointer it cannot be told from a read that PTX has here too.
      const std::optional<Subject> on_line = has_line ? subject_on_line(ptx, place) : std::nullopt;
      if (!on_line && early.any) continue;
      if (on_line) subject = *on_line;
    } else if (!has_line && early.subjects.contains(sass.describe(subject))) {
      continue;
    }
    const Role role = sass.role_of(subject);
    if (may_be_read_early(role)) continue;
    const bool read_only = instructions[i].non_coherent;
    Finding finding = new_finding(sass, Rule::kCompilerMovedLoad,
                                  read_only ? Severity::kError : Severity::kWarning,
                                  role == Role::kUnknown ? Certainty::kLikely : Certainty::kProven);
    finding.subject = sass.describe(subject);
    finding.threads = sass.ordering().describe(sass.ordering().before[i]);
    finding.message = fmt::format(
        "Reads {} before the wait in SASS and not in PTX ({}, at {:#x}): the compiler moved it{}",
        finding.subject, finding.threads, instructions[i].position,
        role == Role::kUnknown ? ", which is safe only if it is constant" : "");
    if (findings.is_new(finding)) finding.path = sass.path_to(i);
    findings.add(std::move(finding), place, sass.image());
  }
}

void check_moved_read(const KernelForms& forms, FindingList& findings) {
  if (forms.ptx.empty()) return;  // a read that moved is then R1 or R2
  for (const KernelCode* code : forms.sass) check_sass(*code, forms.ptx, findings);
}

}  // namespace

const RuleInfo kCompilerMovedLoad = {
    .rule = Rule::kCompilerMovedLoad,
    .id = "R5",
    .file = "r05_moved_read",
    .title = "the compiler moved a read above the wait or its barrier",
    .severity = "error if through the read-only path, else warning",
    .in_ptx = "with SASS",
    .in_sass = "with PTX",
    .reason = R"(
The source reads after the wait, or after the barrier that orders the thread, and so does PTX; in
the machine code the read comes first. The compiler may do that with a read through the read-only
path (R4), and the source does not show it. What writes as well, an atomic or an asynchronous copy
into shared memory, it leaves where it is.

It takes both forms of the kernel to tell: a cubin alone shows the read as R1 or R2.
)",
    .mend =
        "Drop `const __restrict__` or `__ldg` from the pointer; plain loads stay below the "
        "wait.",
    .example = {.wrong = R"(
__global__ void add_up(const float* __restrict__ in, float* __restrict__ out, int rounds) {
  float total = 0.0F;
  for (int round = 0; round < rounds; ++round) {
    if (round == 0) cudaGridDependencySynchronize();
    total += in[threadIdx.x];
  }
  cudaGridDependencySynchronize();
  out[threadIdx.x] = total;
}
)",
                .right = R"(
__global__ void add_up(const float* in, float* out, int rounds) {
  float total = 0.0F;
  for (int round = 0; round < rounds; ++round) {
    if (round == 0) cudaGridDependencySynchronize();
    total += in[threadIdx.x];
  }
  cudaGridDependencySynchronize();
  out[threadIdx.x] = total;
}
)",
                .launches = ""},
    .corpus = "llamacpp_23825_hoisted_above_wait",
    .check = &check_moved_read,
};

}  // namespace slipstream::check
