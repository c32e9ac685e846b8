// What registers hold, found by going over the code as often as something changes.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "check/lower/ir.h"

namespace slipstream::check {

// Calls `transfer(i, changed)` for each instruction in the order of the code, and then again for those
// that read a register, as a guard, too, of which it has said `changed(register)`. So a chain of copies takes time in
// proportion to its length, in whatever order it is written.
template <class Transfer>
void until_nothing_changes(const Function& function, Transfer&& transfer) {
  const auto count = static_cast<uint32_t>(function.instructions.size());
  std::vector<std::vector<uint32_t>> readers(function.register_count);
  std::deque<uint32_t> work;
  for (uint32_t i = 0; i < count; ++i) {
    work.push_back(i);
    const Instruction& instruction = function.instructions[i];
    if (instruction.guard != kNone) readers[instruction.guard].push_back(i);
    for (const Operand& source : function.sources_of(instruction)) {
      if (source.kind == OperandKind::kRegister) readers[source.index].push_back(i);
    }
  }
  std::vector<bool> waits(count, true);
  while (!work.empty()) {
    const uint32_t i = work.front();
    work.pop_front();
    waits[i] = false;
    transfer(i, [&](uint32_t reg) {
      for (const uint32_t reader : readers[reg]) {
        if (!waits[reader]) work.push_back(reader);
        waits[reader] = true;
      }
    });
  }
}

}  // namespace slipstream::check
