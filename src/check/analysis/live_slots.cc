#include "check/analysis/live_slots.h"

#include <algorithm>
#include <bit>
#include <iterator>

namespace slipstream::check {
namespace {

// A set of slots.
using Bits = std::vector<uint64_t>;

void set(Bits& bits, uint32_t slot) { bits[slot / 64] |= uint64_t{1} << (slot % 64); }
void clear(Bits& bits, uint32_t slot) { bits[slot / 64] &= ~(uint64_t{1} << (slot % 64)); }

class Analysis {
 public:
  Analysis(const Function& function, const ControlFlow& flow, const Slice& slice)
      : function_(function),
        flow_(flow),
        slice_(slice),
        words_((slice.size() + 63) / 64),
        live_(flow.blocks.size(), Bits(words_)) {}

  // Backwards over the code until nothing changes.
  std::vector<Bits> run() {
    bool changed = true;
    while (changed) {
      changed = false;
      for (auto block = static_cast<uint32_t>(flow_.blocks.size()); block-- > 0;) {
        Bits live = before(block);
        if (live == live_[block]) continue;
        live_[block] = std::move(live);
        changed = true;
      }
    }
    return std::move(live_);
  }

 private:
  Bits before(uint32_t block) {
    Bits live(words_);
    for (const uint32_t next : flow_.successors(block)) {
      for (size_t i = 0; i < words_; ++i) live[i] |= live_[next][i];
    }
    for (uint32_t i = flow_.blocks[block].last + 1; i-- > flow_.blocks[block].first;) {
      step_back(function_.instructions[i], live);
    }
    return live;
  }

  void step_back(const Instruction& instruction, Bits& live) {
    bool writes_slot = false;
    for (const uint32_t reg : function_.destinations_of(instruction)) {
      const uint32_t slot = slice_.slot(reg);
      if (slot == kNone) continue;
      writes_slot = true;
      // Under a guard the old value may stay.
      if (instruction.guard == kNone) clear(live, slot);
    }
    if (instruction.guard != kNone) use(register_operand(instruction.guard), live);
    const bool computes = writes_slot && instruction.action == Action::kNone &&
                          instruction.compute != Compute::kOpaque;
    const bool decides = instruction.action == Action::kBranch ||
                         instruction.action == Action::kMbarrierWait ||
                         (instruction.place_parts != 0 && instruction.action != Action::kNone);
    if (!computes && !decides) return;
    for (const Operand& source : function_.read_by(instruction)) use(source, live);
  }

  void use(const Operand& operand, Bits& live) {
    if (operand.kind != OperandKind::kRegister) return;
    const uint32_t slot = slice_.slot(operand.index);
    if (slot != kNone) set(live, slot);
  }

  const Function& function_;
  const ControlFlow& flow_;
  const Slice& slice_;
  size_t words_;
  std::vector<Bits> live_;  // at the start of each block
};

std::vector<uint32_t> members(const Bits& bits) {
  std::vector<uint32_t> result;
  for (size_t i = 0; i < bits.size(); ++i) {
    for (uint64_t word = bits[i]; word != 0; word &= word - 1) {
      result.push_back(static_cast<uint32_t>(i * 64 + std::countr_zero(word)));
    }
  }
  return result;
}

}  // namespace

LiveSlots::LiveSlots(const Function& function, const ControlFlow& flow, const Slice& slice) {
  const std::vector<Bits> live = Analysis(function, flow, slice).run();
  at_.reserve(live.size());
  std::transform(live.begin(), live.end(), std::back_inserter(at_), members);
}

}  // namespace slipstream::check
