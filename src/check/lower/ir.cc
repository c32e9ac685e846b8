#include "check/lower/ir.h"

#include <algorithm>
#include <array>

namespace slipstream::check {

Instruction& FunctionBuilder::add(Action action) {
  Instruction instruction;
  instruction.action = action;
  instruction.destinations.first = static_cast<uint32_t>(function_.destinations.size());
  instruction.sources.first = static_cast<uint32_t>(function_.sources.size());
  instruction.address.first = instruction.sources.first;
  instruction.targets.first = static_cast<uint32_t>(function_.targets.size());
  function_.instructions.push_back(instruction);
  return function_.instructions.back();
}

void FunctionBuilder::destination(uint32_t reg) {
  function_.destinations.push_back(reg);
  ++last().destinations.count;
}

void FunctionBuilder::source(const Operand& operand) {
  function_.sources.push_back(operand);
  ++last().sources.count;
}

void FunctionBuilder::begin_address() {
  last().address.first = static_cast<uint32_t>(function_.sources.size());
}

void FunctionBuilder::end_address() {
  last().address.count = static_cast<uint32_t>(function_.sources.size()) - last().address.first;
}

void FunctionBuilder::place(const Operand& operand) {
  function_.sources.push_back(operand);
  ++last().place_parts;
}

void FunctionBuilder::target(uint32_t instruction) {
  function_.targets.push_back(instruction);
  ++last().targets.count;
}

std::span<const uint32_t> FunctionBuilder::destinations() const {
  return function_.destinations_of(function_.instructions.back());
}

std::span<const Operand> FunctionBuilder::sources() const {
  return function_.sources_of(function_.instructions.back());
}

void FunctionBuilder::replace_sources(const Operand& operand) {
  function_.sources.resize(last().sources.first);
  last().sources.count = 0;
  source(operand);
}

bool is_system_function(std::string_view name) {
  static constexpr auto kNames = std::to_array<std::string_view>(
      {"vprintf", "__assertfail", "__assert_fail", "malloc", "free", "__trap", "abort"});
  // The compiler's own arithmetic: __cuda_sm20_div_u64 and its like.
  constexpr std::string_view kArithmetic = "__cuda_sm";
  return name.starts_with(kArithmetic) ||
         std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

}  // namespace slipstream::check
