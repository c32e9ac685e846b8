#include "check/lower/control_flow.h"

#include <algorithm>

namespace slipstream::check {
namespace {

bool is_conditional(const Instruction& instruction) {
  return instruction.guard != kNone || instruction.sources.count != 0;
}

bool ends_block(const Instruction& instruction) {
  switch (instruction.action) {
    case Action::kBranch:
    case Action::kExit:
    case Action::kTrap:
    case Action::kWait:
    case Action::kBarrier:
    case Action::kWarpBarrier:
    case Action::kClusterWait:
    case Action::kMbarrierWait:
    case Action::kFlagWait:
      return true;
    default:
      return false;
  }
}

bool runs_on(const Instruction& instruction) {
  switch (instruction.action) {
    case Action::kBranch:
      return is_conditional(instruction);
    case Action::kExit:
    case Action::kTrap:
      return instruction.guard != kNone;
    default:
      return true;
  }
}

std::vector<bool> find_leaders(const Function& function) {
  const size_t count = function.instructions.size();
  std::vector<bool> leader(count + 1);
  leader[0] = true;
  for (size_t i = 0; i < count; ++i) {
    const Instruction& instruction = function.instructions[i];
    if (ends_block(instruction)) leader[i + 1] = true;
    for (const uint32_t target : function.targets_of(instruction)) {
      if (target < count) leader[target] = true;
    }
  }
  return leader;
}

}  // namespace

std::vector<uint32_t> ControlFlow::successors(uint32_t block) const {
  std::vector<uint32_t> result = blocks[block].targets;
  if (blocks[block].fall_through != kNone) result.push_back(blocks[block].fall_through);
  std::sort(result.begin(), result.end());
  result.erase(std::unique(result.begin(), result.end()), result.end());
  return result;
}

ControlFlow build_control_flow(const Function& function) {
  ControlFlow flow;
  const auto count = static_cast<uint32_t>(function.instructions.size());
  if (count == 0) return flow;
  const std::vector<bool> leader = find_leaders(function);
  flow.block_of.resize(count);
  for (uint32_t i = 0; i < count; ++i) {
    if (leader[i]) flow.blocks.emplace_back().first = i;
    flow.blocks.back().last = i;
    flow.block_of[i] = static_cast<uint32_t>(flow.blocks.size() - 1);
  }
  for (uint32_t b = 0; b < flow.blocks.size(); ++b) {
    Block& block = flow.blocks[b];
    const Instruction& last = function.instructions[block.last];
    if (runs_on(last) && b + 1 < flow.blocks.size()) block.fall_through = b + 1;
    for (const uint32_t target : function.targets_of(last)) {
      if (target < count) block.targets.push_back(flow.block_of[target]);
    }
  }
  return flow;
}

}  // namespace slipstream::check
