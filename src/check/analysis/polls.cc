#include "check/analysis/polls.h"

#include <algorithm>

#include "check/analysis/evaluate.h"

namespace slipstream::check {
namespace {

// Blocks that can be reached from `start`, itself aside unless it is in a loop, by ways that do not
// lead through one of `closed`.
std::vector<bool> reachable_from(const ControlFlow& flow, uint32_t start,
                                 const std::vector<bool>& closed) {
  std::vector<bool> seen(flow.blocks.size());
  std::vector<uint32_t> work = {start};
  while (!work.empty()) {
    const uint32_t block = work.back();
    work.pop_back();
    for (const uint32_t next : flow.successors(block)) {
      if (!seen[next] && !closed[next]) work.push_back(next);
      seen[next] = true;
    }
  }
  return seen;
}

bool is_in_loop(const ControlFlow& flow, uint32_t block) {
  return reachable_from(flow, block, std::vector<bool>(flow.blocks.size()))[block];
}

// Loads that may be tries of a poll, whether or not they are in a loop.
std::vector<uint32_t> tries_before_wait(const KernelCode& code) {
  const Function& function = code.function();
  std::vector<uint32_t> tries;
  for (uint32_t i = 0; i < function.instructions.size(); ++i) {
    const Instruction& instruction = function.instructions[i];
    if (reads_memory(instruction.action) && instruction.synchronizing &&
        code.ordering().reachable_before(i) && !code.subject_of(i).origins.empty()) {
      tries.push_back(i);
    }
  }
  if (tries.empty()) return tries;
  const Slice slice(function);
  std::erase_if(tries, [&](uint32_t i) {
    const auto results = function.destinations_of(function.instructions[i]);
    return std::none_of(results.begin(), results.end(),
                        [&](uint32_t reg) { return slice.slot(reg) != kNone; });
  });
  return tries;
}

std::vector<uint32_t> polls_among(const KernelCode& code, std::vector<uint32_t> tries) {
  std::erase_if(tries,
                [&](uint32_t i) { return !is_in_loop(code.flow(), code.flow().block_of[i]); });
  return tries;
}

}  // namespace

std::vector<uint32_t> polls_before_wait(const KernelCode& code) {
  return polls_among(code, tries_before_wait(code));
}

std::vector<bool> blocks_after_polls(const KernelCode& code) {
  const std::vector<uint32_t> tries = tries_before_wait(code);
  const std::vector<uint32_t> polls = polls_among(code, tries);
  const ControlFlow& flow = code.flow();
  std::vector<bool> after(flow.blocks.size());
  if (polls.empty()) return after;
  std::vector<Subject> subjects;
  subjects.reserve(polls.size());
  for (const uint32_t i : polls) subjects.push_back(code.subject_of(i));
  std::vector<bool> polling(flow.blocks.size());
  for (const uint32_t i : tries) {
    const Subject subject = code.subject_of(i);
    const bool same = std::any_of(subjects.begin(), subjects.end(), [&](const Subject& one) {
      return !(one < subject) && !(subject < one);
    });
    if (same) polling[flow.block_of[i]] = true;
  }
  if (polling[0]) {
    // Nothing comes before it.
    after.assign(flow.blocks.size(), true);
    after[0] = false;
    return after;
  }
  const std::vector<bool> without = reachable_from(flow, 0, polling);
  for (uint32_t b = 1; b < flow.blocks.size(); ++b) after[b] = !without[b];
  return after;
}

}  // namespace slipstream::check
