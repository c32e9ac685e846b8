#include "check/analysis/wait_gates.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "check/analysis/fixpoint.h"
#include "check/lower/control_flow.h"

namespace slipstream::check {
namespace {

using BlockSet = std::vector<bool>;

// Registers that are computed from parameters and constants alone, and from which parameters.
class ParameterValues {
 public:
  ParameterValues(const Function& function, const ControlFlow& flow)
      : function_(function),
        flow_(flow),
        alone_(function.register_count, true),
        made_(function.register_count) {
    until_nothing_changes(
        function, [&](uint32_t i, auto&& changed) { transfer(function.instructions[i], changed); });
  }

  // The parameters that decide whether the guard and the further conditions of an instruction hold;
  // empty if something else does, too.
  [[nodiscard]] std::vector<int64_t> deciding(uint32_t i) const {
    const Instruction& instruction = function_.instructions[i];
    std::set<int64_t> offsets;
    bool alone = true;
    if (instruction.guard != kNone) {
      alone = is_alone_at(register_operand(instruction.guard), i, 0, offsets);
    }
    for (const Operand& source : function_.sources_of(instruction)) {
      alone = alone && is_alone_at(source, i, 0, offsets);
    }
    if (!alone) return {};
    return {offsets.begin(), offsets.end()};
  }

 private:
  // Compilers use one predicate register again and again, so that definitions of one register may be
  // of several values. What counts is the one that reaches instruction `i`, if it is in its block.
  bool is_alone_at(const Operand& operand, uint32_t i, int depth,
                   std::set<int64_t>& offsets) const {
    constexpr int kDeepest = 8;
    const std::optional<uint32_t> definition = operand.kind == OperandKind::kRegister
                                                   ? definition_in_block(operand.index, i)
                                                   : std::nullopt;
    if (definition && depth < kDeepest) {
      const auto sources = function_.sources_of(function_.instructions[*definition]);
      return std::all_of(sources.begin(), sources.end(), [&](const Operand& source) {
        return is_alone_at(source, *definition, depth + 1, offsets);
      });
    }
    add_parameters(operand, offsets);
    return is_alone(operand);
  }

  // If it computes the register from its sources, whatever happened before.
  [[nodiscard]] std::optional<uint32_t> definition_in_block(uint32_t reg, uint32_t i) const {
    for (const uint32_t first = flow_.blocks[flow_.block_of[i]].first; i-- > first;) {
      const Instruction& instruction = function_.instructions[i];
      const auto written = function_.destinations_of(instruction);
      if (std::find(written.begin(), written.end(), reg) == written.end()) continue;
      const bool computes = instruction.action == Action::kNone && instruction.guard == kNone &&
                            instruction.compute != Compute::kElect &&
                            instruction.sources.count != 0;
      return computes ? std::optional(i) : std::nullopt;
    }
    return std::nullopt;
  }

  [[nodiscard]] bool is_alone(const Operand& operand) const {
    switch (operand.kind) {
      case OperandKind::kRegister:
        return alone_[operand.index];
      case OperandKind::kImmediate:
      case OperandKind::kParameter:
      case OperandKind::kBlockDimension:
        return true;
      default:
        return false;
    }
  }

  void add_parameters(const Operand& operand, std::set<int64_t>& offsets) const {
    if (operand.kind == OperandKind::kParameter) offsets.insert(operand.value);
    if (operand.kind != OperandKind::kRegister) return;
    offsets.insert(made_[operand.index].begin(), made_[operand.index].end());
  }

  template <class Changed>
  void transfer(const Instruction& instruction, const Changed& changed) {
    const auto sources = function_.sources_of(instruction);
    bool alone = instruction.action == Action::kNone && !sources.empty() &&
                 instruction.compute != Compute::kElect;
    std::set<int64_t> offsets;
    for (const Operand& source : sources) {
      alone = alone && is_alone(source);
      add_parameters(source, offsets);
    }
    if (instruction.guard != kNone) {
      alone = alone && alone_[instruction.guard];
      add_parameters(register_operand(instruction.guard), offsets);
    }
    for (const uint32_t reg : function_.destinations_of(instruction)) {
      if (!alone_[reg]) continue;
      if (!alone) {
        alone_[reg] = false;
        changed(reg);
        continue;
      }
      const size_t before = made_[reg].size();
      made_[reg].insert(offsets.begin(), offsets.end());
      if (made_[reg].size() != before) changed(reg);
    }
  }

  const Function& function_;
  const ControlFlow& flow_;
  std::vector<bool> alone_;
  std::vector<std::set<int64_t>> made_;
};

class GateFinder {
 public:
  explicit GateFinder(const Function& function)
      : flow_(build_control_flow(function)),
        waits_(flow_.blocks.size()),
        works_(flow_.blocks.size()) {
    for (uint32_t i = 0; i < function.instructions.size(); ++i) {
      const Action action = function.instructions[i].action;
      if (action == Action::kWait) waits_[flow_.block_of[i]] = true;
      if (touches_memory(action)) works_[flow_.block_of[i]] = true;
    }
    find_ways_to_waits();
  }

  // If the branch that ends the block skips a wait and nothing else: the successor that waits.
  [[nodiscard]] std::optional<uint32_t> way_to_wait(uint32_t block) const {
    const std::vector<uint32_t> successors = flow_.successors(block);
    if (successors.size() != 2) return std::nullopt;
    // Of most branches both ways lead there, or none.
    if (leads_to_wait_[successors[0]] == leads_to_wait_[successors[1]]) return std::nullopt;
    const BlockSet first = reachable(successors[0]);
    const BlockSet second = reachable(successors[1]);
    if (skips_only_wait(first, second)) return successors[0];
    return skips_only_wait(second, first) ? std::optional(successors[1]) : std::nullopt;
  }

  [[nodiscard]] const ControlFlow& flow() const { return flow_; }

 private:
  void find_ways_to_waits() {
    std::vector<std::vector<uint32_t>> predecessors(flow_.blocks.size());
    std::vector<uint32_t> work;
    for (uint32_t b = 0; b < flow_.blocks.size(); ++b) {
      for (const uint32_t next : flow_.successors(b)) predecessors[next].push_back(b);
      if (waits_[b]) work.push_back(b);
    }
    leads_to_wait_ = waits_;
    while (!work.empty()) {
      const uint32_t block = work.back();
      work.pop_back();
      for (const uint32_t before : predecessors[block]) {
        if (!leads_to_wait_[before]) work.push_back(before);
        leads_to_wait_[before] = true;
      }
    }
  }

  [[nodiscard]] BlockSet reachable(uint32_t start) const {
    BlockSet seen(flow_.blocks.size());
    std::vector<uint32_t> work = {start};
    seen[start] = true;
    while (!work.empty()) {
      const uint32_t block = work.back();
      work.pop_back();
      for (const uint32_t next : flow_.successors(block)) {
        if (!seen[next]) work.push_back(next);
        seen[next] = true;
      }
    }
    return seen;
  }

  [[nodiscard]] bool skips_only_wait(const BlockSet& waiting, const BlockSet& skipping) const {
    bool waits = false;
    bool works = false;
    for (uint32_t b = 0; b < flow_.blocks.size(); ++b) {
      if (waiting[b] && !skipping[b]) {
        waits = waits || waits_[b];
        if (works_[b]) return false;
      }
      if (skipping[b] && ((works_[b] && !waiting[b]) || waits_[b])) return false;
      works = works || (skipping[b] && works_[b]);
    }
    return waits && works;
  }

  ControlFlow flow_;
  // By block: whether it has a wait, and an access to memory that other grids may see.
  BlockSet waits_;
  BlockSet works_;
  BlockSet leads_to_wait_;
};

// The instruction no longer depends on its condition: a branch is taken, or is none.
void settle(Instruction& instruction, bool taken) {
  if (instruction.action == Action::kBranch && !taken) {
    instruction.action = Action::kNone;
    instruction.targets.count = 0;
  }
  instruction.guard = kNone;
  instruction.sources.count = 0;
}

}  // namespace

std::vector<WaitGate> open_wait_gates(Function& function) {
  std::vector<WaitGate> gates;
  const auto waits = [](const Instruction& one) { return one.action == Action::kWait; };
  if (std::none_of(function.instructions.begin(), function.instructions.end(), waits)) return gates;
  const ControlFlow flow = build_control_flow(function);
  const ParameterValues values(function, flow);
  std::optional<GateFinder> finder(function);
  for (uint32_t i = 0; i < function.instructions.size(); ++i) {
    Instruction& instruction = function.instructions[i];
    const bool conditional = (instruction.action == Action::kBranch &&
                              (instruction.guard != kNone || instruction.sources.count != 0)) ||
                             (instruction.action == Action::kWait && instruction.guard != kNone);
    if (!conditional) continue;
    std::vector<int64_t> parameters = values.deciding(i);
    if (parameters.empty()) continue;
    if (instruction.action == Action::kBranch) {
      const uint32_t block = finder->flow().block_of[i];
      const std::optional<uint32_t> waits_on = finder->way_to_wait(block);
      if (!waits_on) continue;
      settle(instruction, *waits_on != finder->flow().blocks[block].fall_through);
    } else {
      settle(instruction, true);
    }
    finder.emplace(function);  // the control flow is another one now
    gates.push_back({i, std::move(parameters)});
  }
  return gates;
}

}  // namespace slipstream::check
