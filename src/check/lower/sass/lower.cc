#include "check/lower/sass/lower.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>

#include "check/lower/control_flow.h"
#include "check/lower/sass/arithmetic.h"
#include "check/lower/sass/memory.h"
#include "check/lower/sass/operands.h"
#include "check/lower/sass/stack.h"

namespace slipstream::check::from_sass {
namespace {

constexpr uint32_t kWordBytes = 16;

class Lowering {
 public:
  Lowering(const sass::Kernel& kernel, uint32_t architecture)
      : kernel_(kernel), reader_(kernel, architecture), builder_(function_) {
    function_.name = kernel.name;
    function_.code = CodeKind::kSass;
    function_.architecture = architecture;
    function_.max_threads = kernel.max_threads;
    function_.register_count = kMachineRegisters;
    function_.parameters = kernel.parameters;
    function_.table.resize(kernel.table.size() / sizeof(uint32_t));
    if (!function_.table.empty()) {
      std::memcpy(function_.table.data(), kernel.table.data(),
                  function_.table.size() * sizeof(uint32_t));
    }
    for (const auto& [offset, name] : kernel.variables) function_.variables.push_back(name);
  }

  Function run() {
    find_calls();
    add_locations();
    for (size_t i = 0; i < kernel_.word_count(); ++i) {
      lower_word(kernel_.word(i), static_cast<uint32_t>(i * kWordBytes));
    }
    tell_stack_words_apart(kernel_, function_);
    for (const std::string& callee : kernel_.calls) {
      if (!is_system_function(callee)) {
        not_understood(fmt::format("a call of {}, outside the kernel's code", callee));
      }
    }
    return std::move(function_);
  }

 private:
  // A relative branch's distance is in words of four bytes, split around the guard's byte.
  static int64_t relative_target(const sass::Word& word, uint32_t position) {
    const uint64_t upper = sass::bits(word, 34, 48);
    const uint64_t distance = (upper << 8U) | sass::bits(word, 16, 8);
    const int64_t words = static_cast<int64_t>(distance << 8U) >> 8U;  // 56 bits, signed
    return static_cast<int64_t>(position) + kWordBytes + words * 4;
  }

  void find_calls() {
    for (size_t i = 0; i < kernel_.word_count(); ++i) {
      const sass::Word word = kernel_.word(i);
      if (sass::opcode_of(word).meaning != sass::Meaning::kCallRelative) continue;
      const auto position = static_cast<uint32_t>(i * kWordBytes);
      returns_[relative_target(word, position)].push_back(position + kWordBytes);
    }
  }

  void add_locations() {
    if (!kernel_.files.empty()) function_.files = kernel_.files;
    for (const sass::LineEntry& entry : kernel_.lines) {
      // Line l is location l + 1, as location_at() has it.
      function_.locations.push_back(
          {.file = entry.file, .line = entry.line, .inlined_at = entry.inlined_at});
    }
  }

  // Rows hold from their address up to the next row's.
  uint32_t location_at(uint32_t position) {
    while (next_line_ < kernel_.lines.size() && kernel_.lines[next_line_].address <= position) {
      ++next_line_;
    }
    return static_cast<uint32_t>(next_line_);  // row r is location r + 1; 0 is unknown
  }

  void set_guard(Instruction& instruction, const sass::Word& word) {
    const uint64_t guard = sass::bits(word, 12, 3);
    const Operand operand =
        reader_.predicate(guard, sass::bits(word, 15, 1) != 0, OperandReader::is_uniform(word));
    if (operand.kind == OperandKind::kRegister) {
      instruction.guard = operand.index;
      instruction.guard_negated = operand.negated;
    } else if (operand.value == 0) {
      instruction.action = Action::kNone;  // @!PT: never executed
    }
  }

  void lower_word(const sass::Word& word, uint32_t position) {
    const sass::Opcode& opcode = sass::opcode_of(word);
    Instruction& instruction = builder_.add(Action::kNone);
    instruction.position = position;
    instruction.name = opcode.name;
    instruction.location = location_at(position);
    if (!lower_control(opcode.meaning, word, position) &&
        !lower_memory(opcode.meaning, word, reader_, builder_)) {
      lower_arithmetic(opcode.meaning, word, reader_, builder_);
    }
    set_guard(builder_.last(), word);
  }

  void target(int64_t position) {
    const int64_t index = position / kWordBytes;
    if (position >= 0 && index < static_cast<int64_t>(kernel_.word_count())) {
      builder_.target(static_cast<uint32_t>(index));
    } else {
      not_understood(fmt::format("a branch to {:#x}, outside the kernel", position));
    }
  }

  void not_understood(std::string what) {
    auto& list = function_.not_understood;
    if (std::find(list.begin(), list.end(), what) == list.end()) list.push_back(std::move(what));
  }

  bool lower_control(sass::Meaning meaning, const sass::Word& word, uint32_t position) {
    Instruction& instruction = builder_.last();
    switch (meaning) {
      case sass::Meaning::kDependencyWait:
        instruction.action = Action::kWait;
        return true;
      case sass::Meaning::kDependencyTrigger:
        instruction.action = Action::kTrigger;
        return true;
      case sass::Meaning::kExit:
        instruction.action = Action::kExit;
        return true;
      case sass::Meaning::kTrap:
        instruction.action = Action::kTrap;
        return true;
      case sass::Meaning::kBranch:
        lower_branch(word, position);
        return true;
      case sass::Meaning::kBranchIndirect:
        lower_indirect(word, position);
        return true;
      case sass::Meaning::kCallRelative:
        instruction.action = Action::kBranch;
        target(relative_target(word, position));
        return true;
      case sass::Meaning::kReturn:
        lower_return(position);
        return true;
      case sass::Meaning::kCallAbsolute:
        instruction.action = Action::kCall;
        return true;
      case sass::Meaning::kNothing:
        return true;
      default:
        return false;
    }
  }

  // BRA has a second predicate besides its guard, or a uniform one in its place. The condition is
  // made a predicate of its own where the guard alone does not say it.
  void lower_branch(const sass::Word& word, uint32_t position) {
    builder_.last().action = Action::kBranch;
    target(relative_target(word, position));
    constexpr uint64_t kTrue = 7;
    const bool uniform = OperandReader::form(word) == Form::kImmediateC;
    const uint64_t second = uniform ? sass::bits(word, 24, 3) : sass::bits(word, 87, 3);
    const bool negated = uniform ? sass::bits(word, 27, 1) != 0 : sass::bits(word, 90, 1) != 0;
    if (second == kTrue) return;
    builder_.source(reader_.predicate(second, negated, uniform));
  }

  // BRX goes to where a register says, which its table gave it; the distance is of that from zero.
  void lower_indirect(const sass::Word& word, uint32_t position) {
    builder_.last().action = Action::kBranch;
    const auto targets = kernel_.indirect_targets.find(position);
    if (targets == kernel_.indirect_targets.end()) {
      not_understood("an indirect branch whose targets are not listed");
      builder_.last().action = Action::kExit;
      return;
    }
    for (const uint32_t one : targets->second) target(one);
    constexpr uint64_t kVector = 0x149;
    constexpr uint64_t kUniform = 0x158;
    const uint64_t family = word.low & 0x1ffU;
    if (family != kVector && family != kUniform) return;
    const uint64_t reg = sass::bits(word, 24, 8);
    builder_.place(family == kUniform ? reader_.uniform(reg) : reader_.vector(reg));
    builder_.place(immediate_operand(relative_target(word, position)));
  }

  // Goes back to every call of the function that it is in: the nearest call target above it.
  void lower_return(uint32_t position) {
    builder_.last().action = Action::kBranch;
    auto callee = returns_.upper_bound(position);
    if (callee == returns_.begin()) {
      builder_.last().action = Action::kExit;
      return;
    }
    --callee;
    builder_.last().returns = true;
    for (const uint32_t one : callee->second) target(one);
  }

  const sass::Kernel& kernel_;
  OperandReader reader_;
  Function function_;
  FunctionBuilder builder_;
  std::map<int64_t, std::vector<uint32_t>> returns_;  // called function -> where it returns to
  size_t next_line_ = 0;
};

}  // namespace

Function decode(const sass::Kernel& kernel, uint32_t architecture) {
  return Lowering(kernel, architecture).run();
}

void split_machine_registers(Function& function) {
  split_registers(function, build_control_flow(function), kLocalCell, kMachineRegisters);
}

Function lower(const sass::Kernel& kernel, uint32_t architecture) {
  Function function = decode(kernel, architecture);
  split_machine_registers(function);
  return function;
}

}  // namespace slipstream::check::from_sass
