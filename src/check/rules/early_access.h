// Accesses to memory that other grids may see, and how bad it is that one of them may run too
// early. R1, R2, R4 and R6 ask.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "check/rules/rule.h"

namespace slipstream::check {

struct Judgement {
  Severity severity = Severity::kWarning;
  Certainty certainty = Certainty::kDependsOnCaller;
  std::string because;  // continues the message
};

// Constant, private, settled or handed over.
bool may_be_read_early(Role role);

// Empty where nothing is wrong with it.
std::optional<Judgement> judge_read(const KernelCode& code, const Subject& subject);

// Whether anything says that the kernel overlaps what runs before it: it waits, or is known to be
// launched with the attribute.
bool may_overlap(const KernelCode& code);

// An access that a thread can reach before it is ordered.
struct EarlyAccess {
  uint32_t instruction = 0;
  Subject subject;
  bool is_write = false;
  bool by_every_thread = false;
  bool after_poll = false;  // who wrote what was polled for may have ordered it
};

// In the order of the code; empty unless the kernel may overlap.
std::vector<EarlyAccess> early_accesses(const KernelCode& code);
// Empty where nothing is wrong with it.
std::optional<Judgement> judge(const KernelCode& code, const EarlyAccess& access);

// Reports `access` under `rule` with this message.
void report_early_access(const KernelCode& code, const EarlyAccess& access, Rule rule,
                         const Judgement& judgement, std::string message, FindingList& findings);

}  // namespace slipstream::check
