#include <algorithm>
#include <numeric>

#include "check/lower/control_flow.h"

namespace slipstream::check {
namespace {

// Sets of registers, one bit each, for every block.
class BlockSets {
 public:
  BlockSets(size_t blocks, uint32_t registers)
      : words_((registers + 63) / 64), bits_(blocks * words_) {}

  [[nodiscard]] bool test(size_t block, uint32_t reg) const {
    return ((bits_[block * words_ + reg / 64] >> (reg % 64)) & 1U) != 0;
  }
  void set(size_t block, uint32_t reg) { bits_[block * words_ + reg / 64] |= 1ULL << (reg % 64); }
  uint64_t* row(size_t block) { return bits_.data() + block * words_; }
  [[nodiscard]] size_t words() const { return words_; }

 private:
  size_t words_;
  std::vector<uint64_t> bits_;
};

// Registers whose value at a block's start may still be read.
class Liveness {
 public:
  Liveness(const Function& function, const ControlFlow& flow)
      : used_(flow.blocks.size(), function.register_count),
        killed_(flow.blocks.size(), function.register_count),
        live_(flow.blocks.size(), function.register_count) {
    for (size_t b = 0; b < flow.blocks.size(); ++b) summarize(function, flow.blocks[b], b);
    solve(flow);
  }

  [[nodiscard]] bool at_start(size_t block, uint32_t reg) const { return live_.test(block, reg); }

 private:
  void summarize(const Function& function, const Block& block, size_t b) {
    const auto use = [&](uint32_t reg) {
      if (!killed_.test(b, reg)) used_.set(b, reg);
    };
    for (uint32_t i = block.first; i <= block.last; ++i) {
      const Instruction& instruction = function.instructions[i];
      for (const Operand& source : function.sources_of(instruction)) {
        if (source.kind == OperandKind::kRegister) use(source.index);
      }
      if (instruction.guard != kNone) use(instruction.guard);
      for (const uint32_t reg : function.destinations_of(instruction)) {
        // A guarded write keeps the old value in some threads, so it reads it too.
        if (instruction.guard != kNone) {
          use(reg);
        } else {
          killed_.set(b, reg);
        }
      }
    }
  }

  void solve(const ControlFlow& flow) {
    bool changed = true;
    while (changed) {
      changed = false;
      for (size_t b = flow.blocks.size(); b-- > 0;) {
        uint64_t* live = live_.row(b);
        for (size_t w = 0; w < live_.words(); ++w) {
          uint64_t out = 0;
          const auto add = [&](uint32_t successor) { out |= live_.row(successor)[w]; };
          for (const uint32_t target : flow.blocks[b].targets) add(target);
          if (flow.blocks[b].fall_through != kNone) add(flow.blocks[b].fall_through);
          const uint64_t in = used_.row(b)[w] | (out & ~killed_.row(b)[w]);
          changed = changed || in != live[w];
          live[w] = in;
        }
      }
    }
  }

  BlockSets used_;
  BlockSets killed_;
  BlockSets live_;
};

class Splitter {
 public:
  Splitter(Function& function, const ControlFlow& flow, uint32_t first_cell)
      : function_(function),
        flow_(flow),
        first_cell_(first_cell),
        liveness_(function, flow),
        entry_(flow.blocks.size()) {
    parent_.resize(function.register_count);
    std::iota(parent_.begin(), parent_.end(), 0U);
  }

  // Every definition gets a name of its own; names that reach one use are united.
  void run() {
    entry_[0] = parent_;
    std::vector<uint32_t> work = {0};
    std::vector<bool> done(flow_.blocks.size());
    while (!work.empty()) {
      const uint32_t b = work.back();
      work.pop_back();
      if (done[b]) continue;
      done[b] = true;
      std::vector<uint32_t> names = entry_[b];
      rename_block(flow_.blocks[b], names);
      for (const uint32_t successor : flow_.successors(b)) {
        merge(successor, names);
        if (!done[successor]) work.push_back(successor);
      }
    }
    renumber();
  }

 private:
  uint32_t find(uint32_t name) {
    while (parent_[name] != name) name = parent_[name] = parent_[parent_[name]];
    return name;
  }

  void rename_block(const Block& block, std::vector<uint32_t>& names) {
    for (uint32_t i = block.first; i <= block.last; ++i) {
      Instruction& instruction = function_.instructions[i];
      for (uint32_t s = 0; s < instruction.sources.count; ++s) {
        Operand& source = function_.sources[instruction.sources.first + s];
        if (source.kind == OperandKind::kRegister) source.index = names[source.index];
      }
      const bool guarded = instruction.guard != kNone;
      if (guarded) instruction.guard = names[instruction.guard];
      for (uint32_t d = 0; d < instruction.destinations.count; ++d) {
        uint32_t& reg = function_.destinations[instruction.destinations.first + d];
        if (!guarded && reg < first_cell_) {
          parent_.push_back(static_cast<uint32_t>(parent_.size()));
          names[reg] = parent_.back();
        }
        reg = names[reg];
      }
    }
  }

  void merge(uint32_t block, const std::vector<uint32_t>& names) {
    if (entry_[block].empty()) {
      entry_[block] = names;
      return;
    }
    for (uint32_t reg = 0; reg < names.size(); ++reg) {
      if (entry_[block][reg] != names[reg] && liveness_.at_start(block, reg)) {
        parent_[find(names[reg])] = find(entry_[block][reg]);
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
    function_.register_count = count;
  }

  Function& function_;
  const ControlFlow& flow_;
  uint32_t first_cell_;
  Liveness liveness_;
  std::vector<std::vector<uint32_t>> entry_;  // names of the registers at a block's start
  std::vector<uint32_t> parent_;              // union-find over names
};

}  // namespace

void split_registers(Function& function, const ControlFlow& flow, uint32_t first_cell) {
  if (!flow.blocks.empty()) Splitter(function, flow, first_cell).run();
}

}  // namespace slipstream::check
