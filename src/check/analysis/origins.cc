#include "check/analysis/origins.h"

#include <algorithm>
#include <span>

#include "check/analysis/fixpoint.h"

namespace slipstream::check {
namespace {

constexpr OriginSet kUnknownBit = 1;
constexpr size_t kMaxOrigins = 64;

class Solver {
 public:
  explicit Solver(const Function& function)
      : function_(function), registers_(function.register_count) {
    origins_.table.push_back({});
    origins_.of_address.resize(function.instructions.size());
  }

  Origins run() {
    until_nothing_changes(function_, [&](uint32_t i, auto&& changed) {
      transfer(function_.instructions[i], i, changed);
    });
    return std::move(origins_);
  }

 private:
  OriginSet bit(Origin origin) {
    const auto found = std::find(origins_.table.begin(), origins_.table.end(), origin);
    const auto index = static_cast<size_t>(found - origins_.table.begin());
    if (found == origins_.table.end()) {
      if (origins_.table.size() == kMaxOrigins) return kUnknownBit;
      origins_.table.push_back(origin);
    }
    return OriginSet{1} << index;
  }

  OriginSet of_operand(const Operand& operand) {
    switch (operand.kind) {
      case OperandKind::kRegister:
        return registers_[operand.index];
      case OperandKind::kParameter:
        return of_parameter(operand);
      case OperandKind::kParameterBlock:
        return bit({OriginKind::kParameterBlock, operand.value});
      case OperandKind::kConstantMemory:
        return bit({OriginKind::kConstant, 0});
      case OperandKind::kVariable:
        return bit({OriginKind::kVariable, operand.index});
      case OperandKind::kSharedAddress:
        return bit({OriginKind::kShared, 0});
      case OperandKind::kLocalAddress:
        return bit({OriginKind::kLocal, 0});
      default:
        return 0;
    }
  }

  // Machine code has an address in two registers, a lower and an upper half. Where one of them may
  // have come from elsewhere, too, the pointer is what both are halves of.
  OriginSet of_address(std::span<const Operand> parts) {
    const bool in_pairs = function_.code == CodeKind::kSass && parts.size() % 2 == 0;
    OriginSet result = 0;
    for (size_t i = 0; i < parts.size(); i += in_pairs ? 2 : 1) {
      const OriginSet low = of_operand(parts[i]);
      const OriginSet high = in_pairs ? of_operand(parts[i + 1]) : low;
      result |= (low & high) != 0 ? low & high : low | high;
    }
    return result;
  }

  // A parameter of fewer than eight bytes is no pointer.
  OriginSet of_parameter(const Operand& operand) {
    for (const code::Parameter& parameter : function_.parameters) {
      const bool inside = operand.value >= parameter.offset &&
                          operand.value < int64_t{parameter.offset} + parameter.bytes;
      if (inside && parameter.bytes < 8) return 0;
    }
    return bit({OriginKind::kParameter, operand.value & ~int64_t{7}});
  }

  // What a pointer may point to that was read from memory with these origins.
  OriginSet loaded_through(OriginSet address) {
    OriginSet result = 0;
    for (size_t i = 0; i < origins_.table.size(); ++i) {
      if (((address >> i) & 1U) == 0) continue;
      const Origin origin = origins_.table[i];
      switch (origin.kind) {
        case OriginKind::kParameter:
        case OriginKind::kVariable:
          result |= bit({OriginKind::kLoaded, static_cast<int64_t>(i)});
          break;
        case OriginKind::kParameterBlock:
          result |= origin.value < 0 ? kUnknownBit : bit({OriginKind::kParameter, origin.value});
          break;
        case OriginKind::kLoaded:
          result |= OriginSet{1} << i;  // chains of pointers are not told apart
          break;
        default:
          result |= kUnknownBit;
      }
    }
    return address == 0 ? kUnknownBit : result;
  }

  template <class Changed>
  void transfer(const Instruction& instruction, uint32_t index, const Changed& changed) {
    const auto sources = function_.sources_of(instruction);
    const auto destinations = function_.destinations_of(instruction);
    const auto add = [&](uint32_t reg, OriginSet set) {
      if ((set & ~registers_[reg]) == 0) return;
      registers_[reg] |= set;
      changed(reg);
    };
    if (touches_memory(instruction.action)) {
      const OriginSet address = of_address(function_.address_of(instruction));
      origins_.of_address[index] = address;
      const OriginSet value = instruction.loads_pointer ? loaded_through(address) : 0;
      for (const uint32_t reg : destinations) add(reg, value);
      return;
    }
    OriginSet all = 0;
    for (size_t s = 0; s < sources.size(); ++s) {
      const OriginSet one = ((instruction.pointer_sources >> std::min<size_t>(s, 7)) & 1U) != 0
                                ? of_operand(sources[s])
                                : 0;
      if (instruction.elementwise && s < destinations.size()) add(destinations[s], one);
      all |= one;
    }
    if (instruction.elementwise) return;
    for (const uint32_t reg : destinations) add(reg, all);
  }

  const Function& function_;
  std::vector<OriginSet> registers_;
  Origins origins_;
};

bool is_private(const Origin& origin) {
  return origin.kind == OriginKind::kShared || origin.kind == OriginKind::kLocal ||
         origin.kind == OriginKind::kConstant;
}

}  // namespace

std::vector<Origin> Origins::memory_of(uint32_t instruction) const {
  const OriginSet set = of_address[instruction];
  std::vector<Origin> result;
  if (set == 0) {
    result.push_back({});
    return result;
  }
  for (size_t i = 0; i < table.size(); ++i) {
    if (((set >> i) & 1U) != 0 && !is_private(table[i])) result.push_back(table[i]);
  }
  // A pointer with a known base keeps it, whatever was added to it.
  const auto known = [](const Origin& origin) { return origin.kind != OriginKind::kUnknown; };
  if (std::any_of(result.begin(), result.end(), known)) {
    std::erase_if(result, [&](const Origin& origin) { return !known(origin); });
  }
  return result;
}

Origins find_origins(const Function& function) { return Solver(function).run(); }

}  // namespace slipstream::check
