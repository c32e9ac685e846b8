// R8, R9, R12 and R15: where the trigger stands.
#include <fmt/format.h>

#include <algorithm>
#include <deque>

#include "check/rules/rules.h"

namespace slipstream::check {
namespace {

// Instructions in program order from one write on, until something ends the search.
class ForwardSearch {
 public:
  explicit ForwardSearch(const KernelCode& code) : code_(code), seen_(code.flow().blocks.size()) {}

  // Visits every instruction that may follow `from`. `stop` ends a way; `found` ends the search.
  template <class Stop, class Found>
  bool run(uint32_t from, Stop stop, Found found) {
    if (scan(from + 1, code_.flow().block_of[from], stop, found)) return true;
    while (!work_.empty()) {
      const uint32_t block = work_.front();
      work_.pop_front();
      if (scan(code_.flow().blocks[block].first, block, stop, found)) return true;
    }
    return false;
  }

 private:
  template <class Stop, class Found>
  bool scan(uint32_t from, uint32_t block, Stop stop, Found found) {
    const Block& range = code_.flow().blocks[block];
    for (uint32_t i = from; i <= range.last; ++i) {
      const Instruction& instruction = code_.function().instructions[i];
      if (found(instruction)) return true;
      if (stop(instruction)) return false;
    }
    for (const uint32_t next : code_.flow().successors(block)) {
      if (seen_[next]) continue;
      seen_[next] = true;
      work_.push_back(next);
    }
    return false;
  }

  const KernelCode& code_;
  std::vector<bool> seen_;
  std::deque<uint32_t> work_;
};

bool releases(const Instruction& one) {
  return one.action == Action::kTrigger || one.action == Action::kExit;
}

// Whether the grid may be released behind `from` without an unconditional `action` in between.
bool released_without(const KernelCode& code, uint32_t from, Action action) {
  const auto done = [&](const Instruction& one) {
    return one.guard == kNone && one.action == action;
  };
  return ForwardSearch(code).run(from, done, releases);
}

// A copy's writes are its thread's own only once it has waited for them: the fence comes behind
// that.
bool copy_released_unfenced(const KernelCode& code, uint32_t copy) {
  if (released_without(code, copy, Action::kCopyWait)) return true;
  const auto& instructions = code.function().instructions;
  for (uint32_t i = 0; i < instructions.size(); ++i) {
    if (instructions[i].action != Action::kCopyWait) continue;
    if (released_without(code, i, Action::kFence)) return true;
  }
  return false;
}

// A write that is handed over must be fenced before its thread triggers or ends.
void check_hand_over(const KernelCode& code, uint32_t write, FindingList& findings) {
  const bool is_copy = code.function().instructions[write].action == Action::kCopyToGlobal;
  const bool unfenced =
      is_copy ? copy_released_unfenced(code, write) : released_without(code, write, Action::kFence);
  Finding finding =
      new_finding(code, Rule::kHandOverWithoutFence, Severity::kError, Certainty::kProven);
  finding.subject = code.describe(code.subject_of(write));
  finding.threads = "every thread";
  if (unfenced) {
    finding.message = fmt::format(
        "Hands {} over to a kernel that reads it before its wait, without a {} between the write "
        "and the trigger",
        finding.subject,
        is_copy ? "wait for the copy and a fence of gpu or sys scope behind it"
                : "fence of gpu or sys scope");
    return findings.add(std::move(finding), code.place_of(write), code.image());
  }
  // Threads that write but never trigger themselves must meet one that does before it triggers.
  RoleSet triggering;
  const auto& instructions = code.function().instructions;
  for (uint32_t i = 0; i < instructions.size(); ++i) {
    if (instructions[i].action != Action::kTrigger) continue;
    triggering |= code.ordering().before[i] | code.ordering().after[i];
  }
  const RoleSet writing = code.ordering().before[write] | code.ordering().after[write];
  if (triggering.none() || (writing & ~triggering).none()) return;
  const auto meets = [](const Instruction& one) {
    return one.guard == kNone &&
           (one.action == Action::kBarrier || one.action == Action::kBarrierArrive);
  };
  if (!ForwardSearch(code).run(write, meets, releases)) return;
  finding.rule = Rule::kOneWarpTriggers;
  finding.message = fmt::format(
      "Hands {} over, but threads that write it neither trigger nor meet the one that does",
      finding.subject);
  findings.add(std::move(finding), code.place_of(write), code.image());
}

void check_early_trigger(const KernelCode& code, FindingList& findings) {
  const auto& instructions = code.function().instructions;
  for (uint32_t i = 0; i < instructions.size(); ++i) {
    if (instructions[i].action != Action::kTrigger) continue;
    if (!code.ordering().reachable_before(i)) continue;
    Finding finding =
        new_finding(code, Rule::kTriggerBeforeWait, Severity::kNote, Certainty::kProven);
    finding.threads = code.ordering().describe(code.ordering().before[i]);
    finding.message =
        "Triggers before its wait: the next kernel's code before its own wait then overlaps every "
        "earlier kernel that is unfinished, not only this one";
    finding.path = code.path_to(i);
    findings.add(std::move(finding), code.place_of(i), code.image());
  }
}

void check_overlap(const KernelCode& code, FindingList& findings) {
  uint32_t wait = kNone;
  const auto& instructions = code.function().instructions;
  for (uint32_t i = 0; i < instructions.size(); ++i) {
    const Action action = instructions[i].action;
    if (action == Action::kTrigger) return;
    if (action == Action::kWait && wait == kNone) wait = i;
    const bool works = touches_memory(action) && !code.subject_of(i).origins.empty();
    if (works && code.ordering().reachable_before(i)) return;
  }
  if (wait == kNone) return;
  Finding finding = new_finding(code, Rule::kNoOverlap, Severity::kNote, Certainty::kProven);
  finding.threads = "every thread";
  finding.message =
      "Never triggers and reads nothing before its wait: the attribute saves launch latency only";
  findings.add(std::move(finding), code.place_of(wait), code.image());
}

}  // namespace

void check_triggers(const KernelCode& code, FindingList& findings) {
  if (code.pdl() != false && code.ordering().has_wait) check_early_trigger(code, findings);
  if (code.pdl() == true) check_overlap(code, findings);
  const auto& instructions = code.function().instructions;
  for (uint32_t i = 0; i < instructions.size(); ++i) {
    if (!writes_memory(instructions[i].action)) continue;
    const Subject subject = code.subject_of(i);
    if (!subject.origins.empty() && code.role_of(subject) == Role::kHandsOver) {
      check_hand_over(code, i, findings);
    }
  }
}

}  // namespace slipstream::check
