#include "check/rules/hand_over.h"

#include "check/rules/forward_search.h"

namespace slipstream::check {
namespace {

// Whether the grid may be released after `from` without an unconditional `action` in between.
bool released_without(const KernelCode& code, uint32_t from, Action action) {
  const auto& instructions = code.function().instructions;
  const auto done = [&](uint32_t i) {
    return instructions[i].guard == kNone && instructions[i].action == action;
  };
  return ForwardSearch(code).run(from, done, [&](uint32_t i) { return releases(instructions[i]); });
}

// A copy's writes are its thread's own only once the thread has waited for them, so the fence must
// follow that wait.
bool copy_released_unfenced(const KernelCode& code, uint32_t copy) {
  if (released_without(code, copy, Action::kCopyWait)) return true;
  const auto& instructions = code.function().instructions;
  for (uint32_t i = 0; i < instructions.size(); ++i) {
    if (instructions[i].action != Action::kCopyWait) continue;
    if (released_without(code, i, Action::kFence)) return true;
  }
  return false;
}

bool all_execute(const KernelCode& code, uint32_t i) {
  const RoleSet threads = code.ordering().before[i] | code.ordering().after[i];
  return code.function().instructions[i].guard == kNone &&
         threads.count() == code.ordering().roles.size();
}

}  // namespace

std::vector<uint32_t> handed_over_writes(const KernelCode& code) {
  std::vector<uint32_t> result;
  if (code.launch() == nullptr) return result;  // nobody said that it hands anything over
  const auto& instructions = code.function().instructions;
  for (uint32_t i = 0; i < instructions.size(); ++i) {
    if (!writes_memory(instructions[i].action)) continue;
    const Subject subject = code.subject_of(i);
    if (!subject.origins.empty() && code.role_of(subject) == Role::kHandsOver) result.push_back(i);
  }
  return result;
}

bool is_unfenced(const KernelCode& code, uint32_t write) {
  return code.function().instructions[write].action == Action::kCopyToGlobal
             ? copy_released_unfenced(code, write)
             : released_without(code, write, Action::kFence);
}

bool comes_after_trigger(const KernelCode& code, uint32_t write) {
  const auto is_write = [&](uint32_t i) { return i == write; };
  const auto never = [](uint32_t) { return false; };
  const auto& instructions = code.function().instructions;
  for (uint32_t trigger = 0; trigger < instructions.size(); ++trigger) {
    if (instructions[trigger].action != Action::kTrigger || !all_execute(code, trigger)) continue;
    if (ForwardSearch(code, false).run(trigger, never, is_write)) return true;
    // In a loop: unless rounds without the trigger come first, and one with it is the last.
    const auto is_trigger = [&](uint32_t i) { return i == trigger; };
    if (ForwardSearch(code).run(trigger, never, is_write) &&
        !ForwardSearch(code).run(write, is_trigger, is_write)) {
      return true;
    }
  }
  return false;
}

bool releases(const Instruction& instruction) {
  return instruction.action == Action::kTrigger || instruction.action == Action::kExit;
}

}  // namespace slipstream::check
