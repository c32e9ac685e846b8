#include <algorithm>
#include <numeric>
#include <utility>
#include <vector>

#include "check/lower/control_flow.h"
#include "check/lower/liveness.h"

namespace slipstream::check {
namespace {

// What a register holds, by name, where a predicate tells two values of it apart.
struct Choice {
  uint32_t reg = kNone;
  uint32_t guard = kNone;  // by name: it has one value as long as the choice stands
  uint32_t if_true = kNone;
  uint32_t if_false = kNone;
};

// The value that a predicate, by name, is known to have on the way that was taken.
struct Fact {
  uint32_t guard = kNone;
  bool value = false;
};

// Names of the registers at one point.
struct Names {
  std::vector<uint32_t> of;  // by machine register; empty: not reached yet
  std::vector<Choice> choices;
  std::vector<Fact> facts;

  // The name under which a register is read where `guard`, if there is one, has this value.
  uint32_t where(uint32_t reg, uint32_t guard, bool value) const {
    for (const Choice& choice : choices) {
      if (choice.reg != reg) continue;
      if (choice.guard == guard) return value ? choice.if_true : choice.if_false;
      for (const Fact& fact : facts) {
        if (fact.guard == choice.guard) return fact.value ? choice.if_true : choice.if_false;
      }
    }
    return of[reg];
  }
  // Before a write of the register.
  void forget(uint32_t reg) {
    std::erase_if(choices,
                  [&](const Choice& one) { return one.reg == reg || one.guard == of[reg]; });
    std::erase_if(facts, [&](const Fact& one) { return one.guard == of[reg]; });
  }
};

// Whether the next block begins after it, whatever follows.
bool ends_block_itself(const Instruction& instruction) {
  return instruction.action != Action::kNone && !touches_memory(instruction.action);
}

class Splitter {
 public:
  Splitter(Function& function, const ControlFlow& flow, uint32_t first_cell, uint32_t end_cells)
      : function_(function),
        flow_(flow),
        first_cell_(first_cell),
        end_cells_(end_cells),
        liveness_(function, flow),
        entry_(flow.blocks.size()),
        predecessors_(flow.blocks.size()),
        before_(function.instructions.size()),
        after_(function.instructions.size()),
        live_results_(function.destinations.size(), Live::never()) {
    parent_.resize(function.register_count);
    std::iota(parent_.begin(), parent_.end(), 0U);
    for (uint32_t b = 0; b < flow.blocks.size(); ++b) {
      for (const uint32_t successor : flow.successors(b)) ++predecessors_[successor];
    }
  }

  // Every definition gets a name of its own; names that reach one use are united.
  void run() {
    entry_[0].of = parent_;
    ++predecessors_[0];
    std::vector<uint32_t> work = {0};
    std::vector<bool> done(flow_.blocks.size());
    Names names;
    while (!work.empty()) {
      const uint32_t b = work.back();
      work.pop_back();
      if (done[b]) continue;
      done[b] = true;
      names = entry_[b];
      rename_block(b, names);
      for (const uint32_t successor : flow_.successors(b)) {
        merge(b, successor, names);
        if (!done[successor]) work.push_back(successor);
      }
    }
    renumber();
    insert_moves();
  }

 private:
  // "to = from", under the guard of the instruction that it belongs to, or always.
  struct Move {
    uint32_t to = kNone;
    uint32_t from = kNone;
  };

  uint32_t find(uint32_t name) {
    while (parent_[name] != name) name = parent_[name] = parent_[parent_[name]];
    return name;
  }

  uint32_t new_name() {
    parent_.push_back(static_cast<uint32_t>(parent_.size()));
    return parent_.back();
  }

  // Notes of the block's guarded instructions when what they write matters.
  void find_live_results(const Block& block, size_t b) {
    LiveRow& row = row_;
    liveness_.find_at_end(b, row);
    for (uint32_t i = block.last + 1; i-- > block.first;) {
      const Instruction& instruction = function_.instructions[i];
      if (instruction.guard != kNone) {
        uint32_t result = instruction.destinations.first;
        for (const uint32_t reg : function_.destinations_of(instruction)) {
          live_results_[result++] = row[reg];
        }
      }
      liveness_.step_back(instruction, row);
    }
  }

  void rename_block(uint32_t b, Names& names) {
    const Block& block = flow_.blocks[b];
    find_live_results(block, b);
    for (uint32_t i = block.first; i <= block.last; ++i) {
      Instruction& instruction = function_.instructions[i];
      const uint32_t machine_guard = instruction.guard;
      const uint32_t guard = machine_guard == kNone ? kNone : names.of[machine_guard];
      const bool value = !instruction.guard_negated;
      for (Operand& source : function_.read_by(instruction)) {
        if (source.kind == OperandKind::kRegister) {
          source.index = names.where(source.index, guard, value);
        }
      }
      instruction.guard = guard;
      const auto written = function_.destinations_of(instruction);
      // Nothing can stand between such an instruction and the next block, or after it under its guard.
      const bool keeps_name =
          ends_block_itself(instruction) ||
          std::find(written.begin(), written.end(), machine_guard) != written.end();
      for (uint32_t d = 0; d < instruction.destinations.count; ++d) {
        const uint32_t result = instruction.destinations.first + d;
        uint32_t& reg = function_.destinations[result];
        if (reg >= first_cell_ && reg < end_cells_) {
          reg = names.of[reg];
        } else if (guard == kNone) {
          names.forget(reg);
          reg = names.of[reg] = new_name();
        } else if (keeps_name) {
          names.forget(reg);
          reg = names.of[reg];
        } else {
          const bool only_here =
              live_results_[result] == Live::where(machine_guard, instruction.guard_negated);
          reg = write_where(i, reg, guard, value, only_here, names);
        }
      }
    }
  }

  // A guarded write: a name for the new value, and one for either, unless nobody asks for either.
  uint32_t write_where(uint32_t i, uint32_t reg, uint32_t guard, bool value, bool only_here,
                       Names& names) {
    const uint32_t kept = names.where(reg, guard, !value);
    const uint32_t written = new_name();
    names.forget(reg);
    names.of[reg] = only_here ? written : new_name();
    if (!only_here) {
      before_[i].push_back({names.of[reg], kept});
      after_[i].push_back({names.of[reg], written});
    }
    names.choices.push_back({.reg = reg,
                             .guard = guard,
                             .if_true = value ? written : kept,
                             .if_false = value ? kept : written});
    return written;
  }

  // Past a branch its guard is known, and so is which of two values a register holds.
  void learn_from_branch(uint32_t b, uint32_t successor, Names& names) const {
    const Block& block = flow_.blocks[b];
    const Instruction& last = function_.instructions[block.last];
    const bool leaves = last.action == Action::kBranch || ends_thread(last.action);
    if (!leaves || last.guard == kNone || last.sources.count != 0) return;
    const bool taken = successor != block.fall_through;
    names.facts.push_back({.guard = last.guard, .value = taken != last.guard_negated});
  }

  void merge(uint32_t from, uint32_t block, const Names& names) {
    Names& entry = entry_[block];
    if (entry.of.empty()) {
      entry = names;
      if (predecessors_[block] == 1) {
        learn_from_branch(from, block, entry);
      } else {
        entry.choices.clear();
        entry.facts.clear();
      }
      return;
    }
    for (uint32_t reg = 0; reg < names.of.size(); ++reg) {
      if (entry.of[reg] != names.of[reg] && liveness_.at_start(block, reg) != Live::never()) {
        parent_[find(names.of[reg])] = find(entry.of[reg]);
      }
    }
  }

  void renumber() {
    std::vector<uint32_t> number(parent_.size(), kNone);
    uint32_t count = 0;
    const auto rename = [&](uint32_t& name) {
      const uint32_t root = find(name);
      if (number[root] == kNone) number[root] = count++;
      name = number[root];
    };
    for (Operand& source : function_.sources) {
      if (source.kind == OperandKind::kRegister) rename(source.index);
    }
    for (uint32_t& reg : function_.destinations) rename(reg);
    for (Instruction& instruction : function_.instructions) {
      if (instruction.guard != kNone) rename(instruction.guard);
    }
    for (auto* moves : {&before_, &after_}) {
      for (std::vector<Move>& list : *moves) {
        for (Move& move : list) {
          rename(move.to);
          rename(move.from);
        }
      }
    }
    function_.register_count = count;
  }

  void insert_moves() {
    const std::vector<Instruction> old = std::exchange(function_.instructions, {});
    std::vector<uint32_t> moved_to(old.size());
    for (size_t i = 0; i < old.size(); ++i) {
      moved_to[i] = static_cast<uint32_t>(function_.instructions.size());
      for (const Move& move : before_[i]) add_move(move, old[i], kNone);
      function_.instructions.push_back(old[i]);
      for (const Move& move : after_[i]) add_move(move, old[i], old[i].guard);
    }
    for (uint32_t& target : function_.targets) {
      if (target < moved_to.size()) target = moved_to[target];
    }
  }

  void add_move(const Move& move, const Instruction& beside, uint32_t guard) {
    FunctionBuilder builder(function_);
    Instruction& instruction = builder.add(Action::kNone);
    instruction.compute = Compute::kMove;
    instruction.pointer_sources = 1;
    instruction.guard = guard;
    instruction.guard_negated = beside.guard_negated;
    instruction.location = beside.location;
    instruction.position = beside.position;
    builder.destination(move.to);
    builder.source(register_operand(move.from));
  }

  Function& function_;
  const ControlFlow& flow_;
  uint32_t first_cell_;
  uint32_t end_cells_;
  Liveness liveness_;
  std::vector<Names> entry_;  // at each block's start
  std::vector<uint32_t> predecessors_;
  std::vector<std::vector<Move>> before_;  // by instruction
  std::vector<std::vector<Move>> after_;
  LiveRow row_;                     // at the place at hand
  std::vector<Live> live_results_;  // as Function::destinations: after guarded instructions
  std::vector<uint32_t> parent_;    // union-find over names
};

}  // namespace

void split_registers(Function& function, const ControlFlow& flow, uint32_t first_cell,
                     uint32_t end_cells) {
  if (!flow.blocks.empty()) Splitter(function, flow, first_cell, end_cells).run();
}

}  // namespace slipstream::check
