// R13 and R14: spinning before the wait, and CTAs that leave their cluster too early.
#include <fmt/format.h>

#include <algorithm>

#include "check/analysis/evaluate.h"
#include "check/rules/rules.h"

namespace slipstream::check {
namespace {

// Blocks from which control can come back to themselves.
std::vector<bool> blocks_in_loops(const ControlFlow& flow) {
  std::vector<bool> result(flow.blocks.size());
  for (uint32_t start = 0; start < flow.blocks.size(); ++start) {
    std::vector<bool> seen(flow.blocks.size());
    std::vector<uint32_t> work = {start};
    while (!work.empty() && !result[start]) {
      const uint32_t block = work.back();
      work.pop_back();
      for (const uint32_t next : flow.successors(block)) {
        if (next == start) result[start] = true;
        if (!seen[next]) work.push_back(next);
        seen[next] = true;
      }
    }
  }
  return result;
}

// A load that may be polled: ordered with a scope, in a loop, and what it reads decides a branch.
void check_spinning(const KernelCode& code, FindingList& findings) {
  const Function& function = code.function();
  std::vector<uint32_t> polls;
  for (uint32_t i = 0; i < function.instructions.size(); ++i) {
    const Instruction& instruction = function.instructions[i];
    const bool polls_memory = reads_memory(instruction.action) && instruction.synchronizing &&
                              !code.subject_of(i).origins.empty();
    if (polls_memory && code.ordering().reachable_before(i)) polls.push_back(i);
  }
  if (polls.empty()) return;
  const std::vector<bool> in_loop = blocks_in_loops(code.flow());
  const Slice slice(function);
  for (const uint32_t i : polls) {
    const auto results = function.destinations_of(function.instructions[i]);
    const bool decides = std::any_of(results.begin(), results.end(),
                                     [&](uint32_t reg) { return slice.slot(reg) != kNone; });
    if (!decides || !in_loop[code.flow().block_of[i]]) continue;
    Finding finding =
        new_finding(code, Rule::kSpinBeforeWait, Severity::kWarning, Certainty::kLikely);
    finding.subject = code.describe(code.subject_of(i));
    finding.threads = code.ordering().describe(code.ordering().before[i]);
    finding.message = fmt::format(
        "Spins on {} before its wait: its CTAs hold their multiprocessors while the kernel that "
        "would release them may need the room",
        finding.subject);
    findings.add(std::move(finding), code.place_of(i), code.image());
  }
}

// Whether there is a way from a remote access to an exit without a cluster barrier.
// What an mbarrier of the receiver counts may also be waited for there.
bool exits_without_barrier(const KernelCode& code, uint32_t access, uint32_t* exit) {
  const bool counted = code.function().instructions[access].synchronizing;
  const uint32_t first = access + 1;
  const uint32_t block = code.flow().block_of[access];
  const ControlFlow& flow = code.flow();
  std::vector<bool> seen(flow.blocks.size());
  std::vector<std::pair<uint32_t, uint32_t>> work = {{first, block}};
  while (!work.empty()) {
    const auto [from, b] = work.back();
    work.pop_back();
    bool stopped = false;
    for (uint32_t i = from; i <= flow.blocks[b].last && !stopped; ++i) {
      const Instruction& instruction = code.function().instructions[i];
      if (instruction.action == Action::kExit) {
        *exit = i;
        return true;
      }
      stopped = instruction.action == Action::kClusterWait ||
                (counted && instruction.action == Action::kMbarrierWait);
    }
    if (stopped) continue;
    for (const uint32_t next : flow.successors(b)) {
      if (!seen[next]) work.emplace_back(flow.blocks[next].first, next);
      seen[next] = true;
    }
  }
  return false;
}

void check_cluster_exit(const KernelCode& code, FindingList& findings) {
  const auto& instructions = code.function().instructions;
  for (uint32_t i = 0; i < instructions.size(); ++i) {
    if (instructions[i].action != Action::kRemoteShared) continue;
    uint32_t exit = 0;
    if (!exits_without_barrier(code, i, &exit)) continue;
    Finding finding = new_finding(code, Rule::kClusterExit, Severity::kWarning, Certainty::kLikely);
    finding.threads = "every thread";
    finding.message = fmt::format(
        "Touches another CTA's shared memory and may exit (at {}) without a cluster barrier behind "
        "it: the CTA whose memory it is may be gone",
        code.place_of(exit).text());
    findings.add(std::move(finding), code.place_of(i), code.image());
  }
}

}  // namespace

void check_liveness(const KernelCode& code, FindingList& findings) {
  if (code.pdl() != false && code.ordering().has_wait) check_spinning(code, findings);
  check_cluster_exit(code, findings);
}

}  // namespace slipstream::check
