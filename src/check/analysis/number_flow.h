// Which numbers registers may hold, as ranges: for indices that loops count up and turn round, of which
// the values of threads (values.h) say nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "check/analysis/bounds.h"
#include "check/analysis/evaluate.h"
#include "check/analysis/live_slots.h"
#include "check/analysis/number_range.h"
#include "check/lower/control_flow.h"

namespace slipstream::check {

class NumberFlow {
 public:
  // Follows the registers of the slice through the code, until nothing changes.
  NumberFlow(const Function& function, const ControlFlow& flow, const Slice& slice);

  // Calls `use(i, sum)` for each instruction with a place (Instruction::place_parts) that some way leads
  // to; `sum` is the range of the place.
  template <class Use>
  void visit_places(const Use& use) {
    for (uint32_t b = 0; b < flow_.blocks.size(); ++b) {
      if (!entered_[b]) continue;
      enter(b);
      for (uint32_t i = flow_.blocks[b].first; i <= flow_.blocks[b].last; ++i) {
        const Instruction& instruction = function_.instructions[i];
        if (instruction.place_parts != 0) {
          if (const Known place = place_of(instruction)) use(i, *place);
        }
        execute(b, i);
      }
    }
  }

 private:
  // None: nothing has come there yet.
  using Known = std::optional<NumberRange>;
  // What a slot holds at the start of a block, and how often that has changed.
  struct Start {
    Known value;
    uint32_t changes = 0;
  };
  // A condition, and whether it holds.
  struct Fact {
    Condition condition;
    bool holds = true;
  };
  using MaybeFact = std::optional<Fact>;

  void enter(uint32_t block);
  void run_block(uint32_t block);
  void go(uint32_t block, uint32_t next);
  void execute(uint32_t block, uint32_t instruction);
  [[nodiscard]] Known place_of(const Instruction& instruction) const;
  [[nodiscard]] MaybeFact fact_about(uint32_t block, uint32_t at, const Operand& predicate,
                                     bool holds) const;
  [[nodiscard]] MaybeFact fact_on_the_way(uint32_t block, uint32_t next) const;
  [[nodiscard]] Known operand(const Operand& operand, const MaybeFact& fact) const;
  [[nodiscard]] Known compute(uint32_t block, uint32_t at, const MaybeFact& guard) const;
  [[nodiscard]] Known select(uint32_t block, uint32_t at) const;

  const Function& function_;
  const ControlFlow& flow_;
  const Slice& slice_;
  LiveSlots live_;
  std::vector<Known> now_;  // by slot, while a block is run
  std::vector<std::vector<Start>>
      start_;                  // by block: of the slots that are live there, in their order
  std::vector<bool> entered_;  // by block
  std::set<uint32_t> work_;    // blocks to run
};

}  // namespace slipstream::check
