// Basic blocks of a function, cut so that everything that can order memory ends one.
#pragma once

#include <cstdint>
#include <vector>

#include "check/lower/ir.h"

namespace slipstream::check {

struct Block {
  uint32_t first = 0;  // instructions [first, last]
  uint32_t last = 0;
  uint32_t fall_through = kNone;  // block, if control can run on past `last`
  std::vector<uint32_t> targets;  // blocks that the branch at `last` goes to
};

struct ControlFlow {
  std::vector<Block> blocks;       // in order of instructions; the entry is blocks[0]
  std::vector<uint32_t> block_of;  // by instruction

  // Blocks that may follow, without repeats.
  [[nodiscard]] std::vector<uint32_t> successors(uint32_t block) const;
};

ControlFlow build_control_flow(const Function& function);

// Renames registers so that unrelated uses of one machine register become different registers.
// Registers from `first_cell` up to `end_cells` stand for memory and keep their meaning.
void split_registers(Function& function, const ControlFlow& flow, uint32_t first_cell,
                     uint32_t end_cells = kNone);

}  // namespace slipstream::check
