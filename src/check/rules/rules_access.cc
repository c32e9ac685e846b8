// R1, R2, R4 and R6: accesses that are not ordered behind the wait, and the read-only path.
#include <fmt/format.h>

#include <optional>

#include "check/rules/rules.h"

namespace slipstream::check {
namespace {

struct Judgement {
  Severity severity = Severity::kWarning;
  Certainty certainty = Certainty::kDependsOnCaller;
  std::string because;  // continues the message
};

// How bad it is that memory with this role may be touched too early; empty if it is not.
std::optional<Judgement> judge_read(const KernelCode& code, const Subject& subject) {
  switch (code.role_of(subject)) {
    case Role::kConstant:
    case Role::kPrivate:
    case Role::kHandedOver:
      return std::nullopt;
    case Role::kProduced:
    case Role::kWritten:
    case Role::kHandsOver:
      return Judgement{Severity::kError, Certainty::kProven, "and an earlier kernel produces it"};
    case Role::kUnknown:
      break;
  }
  if (code.writes(subject)) {
    return Judgement{Severity::kError, Certainty::kLikely,
                     "and this kernel writes there too, so it is not constant"};
  }
  if (code.is_declared_mutable(subject)) {
    return Judgement{Severity::kError, Certainty::kLikely,
                     "which is safe only if it is constant, and its type does not say so"};
  }
  return Judgement{Severity::kWarning, Certainty::kDependsOnCaller,
                   "which is safe only if it is constant"};
}

std::optional<Judgement> judge_write(const KernelCode& code, const Subject& subject) {
  switch (code.role_of(subject)) {
    case Role::kPrivate:
      return std::nullopt;
    case Role::kUnknown:
    case Role::kConstant:
      return Judgement{Severity::kError, Certainty::kLikely,
                       "while an earlier kernel may still read or write it"};
    default:
      return Judgement{Severity::kError, Certainty::kProven,
                       "while an earlier kernel may still read or write it"};
  }
}

void report_early_access(const KernelCode& code, uint32_t i, const Subject& subject,
                         FindingList& findings) {
  const Instruction& instruction = code.function().instructions[i];
  const RoleSet& early = code.ordering().before[i];
  const bool all_threads = early.count() == code.ordering().roles.size();
  const bool is_write = writes_memory(instruction.action);
  const std::optional<Judgement> judgement =
      is_write ? judge_write(code, subject) : judge_read(code, subject);
  if (!judgement) return;
  const Rule rule = !all_threads ? Rule::kUnorderedThreads
                    : is_write   ? Rule::kWriteBeforeWait
                                 : Rule::kReadBeforeWait;
  Finding finding = new_finding(code, rule, judgement->severity, judgement->certainty);
  finding.subject = code.describe(subject);
  finding.threads = code.ordering().describe(early);
  finding.message =
      all_threads
          ? fmt::format("{} {} before the wait, {}", is_write ? "Writes" : "Reads", finding.subject,
                        judgement->because)
          : fmt::format("{} {} in threads that neither waited nor met one that did ({}), {}",
                        is_write ? "Writes" : "Reads", finding.subject, finding.threads,
                        judgement->because);
  finding.path = code.path_to(i);
  findings.add(std::move(finding), code.place_of(i), code.image());
}

// Reads through the read-only path are outside the ordering guarantees wherever they stand.
void report_read_only_path(const KernelCode& code, uint32_t i, const Subject& subject,
                           FindingList& findings) {
  std::optional<Judgement> judgement = judge_read(code, subject);
  if (!judgement) return;
  Finding finding =
      new_finding(code, Rule::kReadOnlyPath, judgement->severity, judgement->certainty);
  finding.subject = code.describe(subject);
  finding.threads = "every thread";
  finding.message = fmt::format("Reads {} through the read-only path (ld.global.nc), {}",
                                finding.subject, judgement->because);
  findings.add(std::move(finding), code.place_of(i), code.image());
}

}  // namespace

void check_accesses(const KernelCode& code, FindingList& findings) {
  if (code.pdl() == false) return;
  const bool concerned = code.ordering().has_wait || code.pdl() == true;
  if (!concerned) return;
  const auto& instructions = code.function().instructions;
  for (uint32_t i = 0; i < instructions.size(); ++i) {
    if (!touches_memory(instructions[i].action)) continue;
    const Subject subject = code.subject_of(i);
    if (subject.origins.empty()) continue;
    if (code.ordering().reachable_before(i)) report_early_access(code, i, subject, findings);
    const bool runs = code.ordering().reachable_before(i) || code.ordering().after[i].any();
    if (instructions[i].non_coherent && runs) report_read_only_path(code, i, subject, findings);
  }
}

}  // namespace slipstream::check
