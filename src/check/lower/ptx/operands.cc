#include "check/lower/ptx/operands.h"

namespace slipstream::check::from_ptx {

void OperandReader::enter(Frame& frame) {
  frame.first_register = function_.register_count;
  function_.register_count += static_cast<uint32_t>(frame.function->register_types.size());
}

Operand OperandReader::value(const Frame& frame, const tree::Operand& operand) {
  switch (operand.kind) {
    case tree::OperandKind::kRegister: {
      Operand result = register_operand(reg(frame, operand));
      result.negated = operand.negated;
      return result;
    }
    case tree::OperandKind::kInteger:
      return immediate_operand(operand.value);
    case tree::OperandKind::kSymbol:
      return operand.variable == nullptr ? Operand{} : address_of(*operand.variable, operand.value);
    case tree::OperandKind::kSpecialRegister:
      return special(module_.text(operand));
    default:
      return {};
  }
}

Operand OperandReader::address(const Frame& frame, const tree::Operand& operand) {
  if (operand.kind != tree::OperandKind::kAddress) return value(frame, operand);
  switch (operand.base) {
    case tree::AddressBase::kRegister:
      return register_operand(reg(frame, operand));
    case tree::AddressBase::kVariable:
      return operand.variable == nullptr ? Operand{} : address_of(*operand.variable, operand.value);
    default:
      return {};
  }
}

std::vector<Operand> OperandReader::address_parts(const Frame& frame,
                                                  const tree::Operand& operand) {
  std::vector<Operand> parts = {address(frame, operand)};
  const bool has_offset = operand.kind == tree::OperandKind::kAddress &&
                          operand.base == tree::AddressBase::kRegister && operand.value != 0;
  if (has_offset) parts.push_back(immediate_operand(operand.value));
  return parts;
}

std::optional<int64_t> OperandReader::parameter_address(const Operand& operand) const {
  if (operand.kind == OperandKind::kParameterBlock) return operand.value;
  if (operand.kind != OperandKind::kRegister) return std::nullopt;
  const auto known = parameter_addresses_.find(operand.index);
  if (known == parameter_addresses_.end()) return std::nullopt;
  return known->second;
}

Operand OperandReader::parameter_word(const Frame& frame, const tree::Operand& operand) {
  if (operand.kind == tree::OperandKind::kAddress && operand.base == tree::AddressBase::kRegister) {
    const std::optional<int64_t> base = parameter_address(register_operand(reg(frame, operand)));
    if (!base) return {.kind = OperandKind::kParameterBlock, .value = -1};
    return {.kind = OperandKind::kParameter, .value = *base + operand.value};
  }
  if (operand.kind != tree::OperandKind::kAddress || operand.base != tree::AddressBase::kVariable ||
      operand.variable == nullptr) {
    return {};
  }
  const tree::Variable* variable = operand.variable;
  const bool is_kernel_parameter =
      frame.is_entry && frame.function->find_parameter(variable->name) == variable;
  if (is_kernel_parameter) {
    return {.kind = OperandKind::kParameter,
            .value = static_cast<int64_t>(variable->offset) + operand.value};
  }
  if (const auto alias = frame.aliases.find(variable); alias != frame.aliases.end()) {
    variable = alias->second;
  }
  const auto [cell, is_new] = cells_.try_emplace({variable, operand.value / 8}, 0);
  if (is_new) cell->second = function_.register_count++;
  return register_operand(cell->second);
}

Operand OperandReader::address_of(const tree::Variable& variable, int64_t offset) {
  switch (variable.space) {
    case tree::Space::kShared: {
      // Arrays without a size are one: all begin where the variables end.
      const tree::Variable* one = variable.size == 0 ? nullptr : &variable;
      const auto number = static_cast<uint32_t>(shared_variables_.size());
      const uint32_t index = shared_variables_.try_emplace(one, number).first->second;
      return {.kind = OperandKind::kSharedAddress, .index = index, .value = offset};
    }
    case tree::Space::kLocal:
      return {.kind = OperandKind::kLocalAddress};
    case tree::Space::kConst:
      return {.kind = OperandKind::kConstantMemory};
    case tree::Space::kParam:
      return {.kind = OperandKind::kParameterBlock,
              .value = static_cast<int64_t>(variable.offset) + offset};
    default:
      break;
  }
  const auto [index, is_new] = variables_.try_emplace(&variable, 0);
  if (is_new) {
    index->second = static_cast<uint32_t>(function_.variables.size());
    function_.variables.emplace_back(variable.name);
  }
  return {.kind = OperandKind::kVariable, .index = index->second};
}

Operand OperandReader::special(std::string_view name) const {
  static const std::unordered_map<std::string_view, Operand> kKnown = {
      {"%tid.x", {.kind = OperandKind::kThreadX}},
      {"%tid.y", {.kind = OperandKind::kThreadY}},
      {"%tid.z", {.kind = OperandKind::kThreadZ}},
      {"%laneid", {.kind = OperandKind::kLane}},
      {"%warpid", {.kind = OperandKind::kWarp}},
      {"%ntid.x", {.kind = OperandKind::kBlockDimension, .value = 0}},
      {"%ntid.y", {.kind = OperandKind::kBlockDimension, .value = 1}},
      {"%ntid.z", {.kind = OperandKind::kBlockDimension, .value = 2}},
      {"%ctaid.x", {.kind = OperandKind::kBlockIndex}},
      {"%ctaid.y", {.kind = OperandKind::kBlockIndex}},
      {"%ctaid.z", {.kind = OperandKind::kBlockIndex}},
      {"%cluster_ctarank", {.kind = OperandKind::kClusterRank}},
      {"%cluster_ctaid.x", {.kind = OperandKind::kBlockIndex}},
      {"%clusterid.x", {.kind = OperandKind::kBlockIndex}},
  };
  const auto found = kKnown.find(name);
  return found == kKnown.end() ? Operand{} : found->second;
}

}  // namespace slipstream::check::from_ptx
