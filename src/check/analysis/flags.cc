#include "check/analysis/flags.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "check/analysis/bounds.h"

namespace slipstream::check {
namespace {

// Loops that poll are short.
constexpr uint32_t kLongest = 32;

bool is_one_of(std::span<const uint32_t> registers, uint32_t reg) {
  return std::find(registers.begin(), registers.end(), reg) != registers.end();
}

// Whether nothing in [first, last) does more than compute and read.
bool only_reads(const Function& function, uint32_t first, uint32_t last) {
  for (uint32_t i = first; i < last; ++i) {
    const Instruction& one = function.instructions[i];
    if (one.action != Action::kNone || one.shared == SharedAccess::kWrite) return false;
  }
  return true;
}

// Whether each round of the loop [first, last) reads at the same address.
bool is_same_in_all_rounds(const Function& function, uint32_t load, uint32_t first, uint32_t last) {
  for (const Operand& part : function.place_of(function.instructions[load])) {
    if (part.kind != OperandKind::kRegister) continue;
    for (uint32_t i = first; i < last; ++i) {
      if (is_one_of(function.destinations_of(function.instructions[i]), part.index)) return false;
    }
  }
  return true;
}

// Whether the load's result decides the branch after it.
bool decides(const Function& function, uint32_t load, uint32_t branch) {
  const auto predicate = decides_alone(function, function.instructions[branch]);
  if (!predicate) return false;
  std::vector<uint32_t> wanted = {predicate->index};
  for (uint32_t i = branch; i-- > load;) {
    const auto written = function.destinations_of(function.instructions[i]);
    const bool is_wanted = std::any_of(written.begin(), written.end(),
                                       [&](uint32_t reg) { return is_one_of(wanted, reg); });
    if (!is_wanted) continue;
    if (i == load) return true;
    for (const Operand& source : function.sources_of(function.instructions[i])) {
      if (source.kind == OperandKind::kRegister) wanted.push_back(source.index);
    }
  }
  return false;
}

bool is_polled(const Function& function, uint32_t load) {
  const auto count = static_cast<uint32_t>(function.instructions.size());
  uint32_t branch = load + 1;
  while (branch < std::min(count, load + kLongest) &&
         function.instructions[branch].action == Action::kNone) {
    ++branch;
  }
  if (branch == count || function.instructions[branch].action != Action::kBranch) return false;
  const auto targets = function.targets_of(function.instructions[branch]);
  if (targets.size() != 1 || targets[0] > load || load - targets[0] > kLongest) return false;
  return only_reads(function, targets[0], branch) &&
         is_same_in_all_rounds(function, load, targets[0], branch) &&
         decides(function, load, branch);
}

}  // namespace

void find_flags(Function& function) {
  std::vector<uint32_t> polled;
  for (uint32_t i = 0; i < function.instructions.size(); ++i) {
    const bool reads = function.instructions[i].shared == SharedAccess::kRead;
    if (reads && is_polled(function, i)) polled.push_back(i);
  }
  if (polled.empty()) return;
  for (Instruction& one : function.instructions) {
    if (one.shared == SharedAccess::kWrite) one.action = Action::kFlagWrite;
  }
  for (const uint32_t i : polled) function.instructions[i].action = Action::kFlagWait;
}

}  // namespace slipstream::check
