#include "check/rules/early_access.h"

#include "check/analysis/detours.h"
#include "check/analysis/polls.h"

namespace slipstream::check {
namespace {

// An address in the thread's own stack comes from no parameter, and from no memory that one leads to.
bool may_be_local(const KernelCode& code, const EarlyAccess& access) {
  const std::vector<Origin>& origins = access.subject.origins;
  const bool is_loaded = origins.size() == 1 && origins.front().kind == OriginKind::kLoaded;
  return code.function().instructions[access.instruction].generic && !is_loaded &&
         !KernelCode::is_one_pointer(access.subject);
}

std::optional<Judgement> judge_write(const KernelCode& code, const EarlyAccess& access) {
  switch (code.role_of(access.subject)) {
    case Role::kPrivate:
      return std::nullopt;
    case Role::kUnknown:
    case Role::kConstant:
      if (may_be_local(code, access)) {
        return Judgement{Severity::kWarning, Certainty::kDependsOnCaller,
                         "unless it is local or shared memory, while an earlier kernel may still "
                         "read or write it"};
      }
      return Judgement{Severity::kError, Certainty::kLikely,
                       "while an earlier kernel may still read or write it"};
    default:
      return Judgement{Severity::kError, Certainty::kProven,
                       "while an earlier kernel may still read or write it"};
  }
}

// What would be an error depends on something that the code does not show.
void lower(Judgement& judgement, const char* unless) {
  judgement.severity = Severity::kWarning;
  judgement.certainty = Certainty::kDependsOnCaller;
  judgement.because += unless;
}

}  // namespace

bool may_be_read_early(Role role) {
  return role == Role::kConstant || role == Role::kPrivate || role == Role::kSettled ||
         role == Role::kHandedOver;
}

std::optional<Judgement> judge_read(const KernelCode& code, const Subject& subject) {
  const Role role = code.role_of(subject);
  if (may_be_read_early(role)) return std::nullopt;
  if (role != Role::kUnknown) {
    return Judgement{Severity::kError, Certainty::kProven, "and an earlier kernel produces it"};
  }
  const bool may_change = !code.is_declared_constant(subject);
  if (may_change && code.surely_writes(subject)) {
    return Judgement{Severity::kError, Certainty::kLikely,
                     "and this kernel writes there too, so it is not constant"};
  }
  if (code.is_declared_mutable(subject)) {
    return Judgement{Severity::kError, Certainty::kLikely,
                     "which is safe only if it is constant, and its type does not say so"};
  }
  // Of several pointers it may be the constant one that is read and another that is written.
  if (may_change && code.may_write(subject)) {
    return Judgement{Severity::kWarning, Certainty::kDependsOnCaller,
                     "which is safe only if it is constant; this kernel may write there too"};
  }
  return Judgement{Severity::kWarning, Certainty::kDependsOnCaller,
                   "which is safe only if it is constant"};
}

std::optional<Judgement> judge(const KernelCode& code, const EarlyAccess& access) {
  std::optional<Judgement> judgement =
      access.is_write ? judge_write(code, access) : judge_read(code, access.subject);
  if (!judgement || judgement->certainty == Certainty::kProven) return judgement;
  if (access.after_poll) {
    lower(*judgement, ", unless it is ordered by what the kernel polls for before");
  } else if (judgement->severity == Severity::kError && !access.by_every_thread &&
             only_by_a_detour(code, access.instruction)) {
    lower(*judgement,
          ", unless the kernel never takes the branch around the barrier that orders it");
  }
  return judgement;
}

bool may_overlap(const KernelCode& code) {
  return code.pdl() != false && (code.ordering().has_wait || code.pdl() == true);
}

std::vector<EarlyAccess> early_accesses(const KernelCode& code) {
  std::vector<EarlyAccess> result;
  if (!may_overlap(code)) return result;
  const auto& instructions = code.function().instructions;
  const std::vector<bool> after_polls = blocks_after_polls(code);
  for (uint32_t i = 0; i < instructions.size(); ++i) {
    const Action action = instructions[i].action;
    if (!touches_memory(action) || !code.ordering().reachable_before(i)) continue;
    Subject subject = code.subject_of(i);
    if (subject.origins.empty()) continue;
    const bool by_every_thread = code.ordering().before[i].count() == code.ordering().roles.size();
    result.push_back({i, std::move(subject), writes_memory(action), by_every_thread,
                      static_cast<bool>(after_polls[code.flow().block_of[i]])});
  }
  return result;
}

void report_early_access(const KernelCode& code, const EarlyAccess& access, Rule rule,
                         const Judgement& judgement, std::string message, FindingList& findings) {
  Finding finding = new_finding(code, rule, judgement.severity, judgement.certainty);
  finding.subject = code.describe(access.subject);
  finding.threads = code.ordering().describe(code.ordering().before[access.instruction]);
  finding.message = std::move(message);
  if (findings.is_new(finding)) finding.path = code.path_to(access.instruction);
  findings.add(std::move(finding), code.place_of(access.instruction), code.image());
}

}  // namespace slipstream::check
