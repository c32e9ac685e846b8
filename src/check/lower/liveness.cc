#include "check/lower/liveness.h"

#include <iterator>
#include <set>
#include <utility>

namespace slipstream::check {
namespace {

// When an instruction is executed.
Live execution(const Instruction& instruction) {
  return instruction.guard == kNone ? Live::always()
                                    : Live::where(instruction.guard, instruction.guard_negated);
}

// What is live at the start of a successor, seen from an edge that is only taken where `edge` says.
void join_over_edge(const LiveRow& successor, Live edge, LiveRow& row) {
  const Live* const from = successor.data();
  Live* const to = row.data();
  for (size_t reg = 0; reg < row.size(); ++reg) {
    to[reg] = to[reg].joined(from[reg] == Live::always() ? edge : from[reg]);
  }
}

}  // namespace

Live Live::without(Live written) const {
  if (written == always() || written == *this) return never();
  return *this == always() ? written.opposite() : *this;
}

Liveness::Liveness(const Function& function, const ControlFlow& flow)
    : function_(function),
      flow_(flow),
      guards_(function.register_count),
      at_start_(flow.blocks.size(), LiveRow(function.register_count, Live::never())) {
  for (const Instruction& instruction : function.instructions) {
    if (instruction.guard != kNone) guards_[instruction.guard] = true;
  }
  std::vector<std::vector<uint32_t>> predecessors(flow.blocks.size());
  std::set<uint32_t> work;
  for (uint32_t b = 0; b < flow.blocks.size(); ++b) {
    for (const uint32_t successor : flow.successors(b)) predecessors[successor].push_back(b);
    work.insert(b);
  }
  // From the end, so that most of what follows a block is known when it is visited.
  LiveRow row;
  while (!work.empty()) {
    const uint32_t b = work.extract(std::prev(work.end())).value();
    find_at_end(b, row);
    for (uint32_t i = flow.blocks[b].last + 1; i-- > flow.blocks[b].first;) {
      step_back(function.instructions[i], row);
    }
    // Together with what was known: a write under a guard can make less of more, so that without this
    // two blocks of a loop could change each other for ever.
    for (size_t reg = 0; reg < row.size(); ++reg) row[reg] = at_start_[b][reg].joined(row[reg]);
    if (row == at_start_[b]) continue;
    std::swap(at_start_[b], row);
    work.insert(predecessors[b].begin(), predecessors[b].end());
  }
}

void Liveness::find_at_end(size_t block, LiveRow& row) const {
  const Block& one = flow_.blocks[block];
  const Instruction& last = function_.instructions[one.last];
  const bool by_guard = (last.action == Action::kBranch || ends_thread(last.action)) &&
                        last.guard != kNone && last.sources.count == 0;
  const bool runs_on = one.targets.empty() && one.fall_through != kNone;
  if (runs_on && !by_guard) {
    row = at_start_[one.fall_through];
    return;
  }
  row.assign(function_.register_count, Live::never());
  const auto edge = [&](bool taken) {
    return by_guard ? Live::where(last.guard, last.guard_negated == taken) : Live::always();
  };
  for (const uint32_t target : one.targets) join_over_edge(at_start_[target], edge(true), row);
  if (one.fall_through != kNone) join_over_edge(at_start_[one.fall_through], edge(false), row);
}

void Liveness::step_back(const Instruction& instruction, LiveRow& row) const {
  const Live executed = execution(instruction);
  for (const uint32_t reg : function_.destinations_of(instruction)) {
    row[reg] = row[reg].without(executed);
    if (!guards_[reg]) continue;
    // Above a write of a predicate, what depends on it may be either.
    for (Live& one : row) one = one.whatever(reg);
  }
  for (const Operand& source : function_.read_by(instruction)) {
    if (source.kind == OperandKind::kRegister) {
      row[source.index] = row[source.index].joined(executed);
    }
  }
  if (instruction.guard != kNone) row[instruction.guard] = Live::always();
}

}  // namespace slipstream::check
