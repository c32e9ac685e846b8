#include "emulator/decoder/builder.h"

#include <fmt/format.h>

#include <bit>
#include <utility>

#include "emulator/decoder/function_decoder.h"
#include "emulator/decoder/resize.h"
#include "emulator/machine/access.h"

namespace slipstream::emulator {
namespace {

bool is_signed(ptx::Type type) {
  return type == ptx::Type::kS8 || type == ptx::Type::kS16 || type == ptx::Type::kS32 ||
         type == ptx::Type::kS64;
}

// The bits of a constant as a lane of that type.
uint64_t constant_bits(const ptx::Operand& operand, ptx::Type type) {
  const auto value = static_cast<uint64_t>(operand.value);
  if (type == ptx::Type::kPred) return value != 0 ? kAllLanes : 0;
  if (operand.kind == ptx::OperandKind::kFloat64 && type == ptx::Type::kF32) {
    return std::bit_cast<uint32_t>(static_cast<float>(std::bit_cast<double>(value)));
  }
  if (operand.kind == ptx::OperandKind::kFloat32 && type == ptx::Type::kF64) {
    return std::bit_cast<uint64_t>(
        static_cast<double>(std::bit_cast<float>(static_cast<uint32_t>(value))));
  }
  return value;
}

uint64_t low_bits(uint64_t value, RegisterClass register_class) {
  switch (register_class) {
    case RegisterClass::k16:
      return value & 0xffffU;
    case RegisterClass::kPredicate:
    case RegisterClass::k32:
      return value & 0xffffffffU;
    default:
      return value;
  }
}

// sm_10 to sm_13.
bool is_before_sm_20(std::string_view target) {
  return target.size() == 5 && target.starts_with("sm_1");
}

}  // namespace

Builder::Builder(FunctionDecoder& decoder, const ptx::Instruction& instruction, const Match& match)
    : decoder_(decoder),
      instruction_(instruction),
      match_(match),
      flushes_(is_before_sm_20(decoder.module().target)) {
  draft_.source = &instruction;
  draft_.passing = match.is_lane_by_lane ? Passing::kLaneByLane : Passing::kUses;
}

size_t Builder::count() const { return instruction_.operand_count; }

const ptx::Operand& Builder::operand(size_t index) const {
  if (index >= count()) reject(fmt::format("it has {} operands, and needs more", count()));
  return decoder_.function().operands_of(instruction_)[index];
}

std::span<const ptx::Operand> Builder::children(const ptx::Operand& operand) const {
  return decoder_.function().children_of(operand);
}

void Builder::expect_operands(size_t least, size_t most) const {
  if (count() < least || count() > most) {
    reject(least == most
               ? fmt::format("it has {} operands and must have {}", count(), least)
               : fmt::format("it has {} operands and must have {} to {}", count(), least, most));
  }
}

int64_t Builder::constant(size_t index) const {
  if (operand(index).kind != ptx::OperandKind::kInteger) {
    reject(fmt::format("operand {} must be an integer constant", index + 1));
  }
  return operand(index).value;
}

uint32_t Builder::register_bytes(const ptx::Operand& operand) const {
  if (operand.kind != ptx::OperandKind::kRegister) return 0;
  return bytes_of(decoder_.class_of(operand.index)) / kWarpSize;
}

void Builder::reject(const std::string& why) const { decoder_.reject(instruction_, why); }

void Builder::add(uint32_t virtual_register, bool is_read, bool is_written) {
  draft_.references.push_back({virtual_register, is_read, is_written});
}

void Builder::read(const ptx::Operand& operand, ptx::Type type) {
  add(source(operand, type), true, false);
}

void Builder::read_later(const ptx::Operand& operand, ptx::Type type) {
  read(operand, type);
  draft_.references.back().is_read_later = true;
}

void Builder::read_constant(uint64_t bits, ptx::Type type) {
  const RegisterClass register_class = class_of(type);
  add(decoder_.constant(low_bits(bits, register_class), register_class), true, false);
}

void Builder::scratch(ptx::Type type) { add(decoder_.temporary(class_of(type)), false, true); }

void Builder::carry(bool is_read, bool is_written) { add(decoder_.carry(), is_read, is_written); }

void Builder::write(const ptx::Operand& operand, ptx::Type type) {
  const RegisterClass wanted = class_of(type);
  if (operand.kind == ptx::OperandKind::kSink) {
    add(decoder_.temporary(wanted), false, true);
    return;
  }
  if (operand.kind != ptx::OperandKind::kRegister || operand.component != 0 || operand.negated) {
    reject("a destination must be a register");
  }
  const RegisterClass declared = decoder_.class_of(operand.index);
  if (declared == wanted) {
    add(operand.index, false, true);
    return;
  }
  if (declared < wanted || wanted == RegisterClass::kPredicate) {
    reject(fmt::format("destination {} does not hold a {}",
                       decoder_.function().register_name(operand.index), ptx::name_of(type)));
  }
  const uint32_t narrow = decoder_.temporary(wanted);
  add(narrow, false, true);
  widenings_.push_back({narrow, operand.index, is_signed(type)});
}

void Builder::read_write(const ptx::Operand& operand, ptx::Type type) {
  if (operand.kind != ptx::OperandKind::kRegister ||
      decoder_.class_of(operand.index) != class_of(type)) {
    reject(fmt::format("an operand that is read and written must be a {} register",
                       ptx::name_of(type)));
  }
  add(operand.index, true, true);
}

void Builder::read_optional_predicate(size_t index) {
  if (index >= count()) {
    read_constant(kAllLanes, ptx::Type::kPred);
  } else {
    read(index, ptx::Type::kPred);
  }
}

uint32_t Builder::source(const ptx::Operand& operand, ptx::Type type) {
  switch (operand.kind) {
    case ptx::OperandKind::kRegister:
      return register_source(operand, type);
    case ptx::OperandKind::kInteger:
    case ptx::OperandKind::kFloat32:
    case ptx::OperandKind::kFloat64: {
      const RegisterClass register_class = class_of(type);
      uint64_t bits = low_bits(constant_bits(operand, type), register_class);
      return decoder_.constant(bits, register_class);
    }
    case ptx::OperandKind::kSpecialRegister:
      return special_source(operand, type);
    case ptx::OperandKind::kSymbol:
    case ptx::OperandKind::kFunction:
      return address_of_symbol(operand, type);
    default:
      reject("a source must be a register, a constant or an address");
  }
}

uint32_t Builder::register_source(const ptx::Operand& operand, ptx::Type type) {
  const RegisterClass wanted = class_of(type);
  const RegisterClass declared = decoder_.class_of(operand.index);
  const std::string name = decoder_.function().register_name(operand.index);
  if (operand.component != 0) {
    reject(fmt::format("components of vector register {} are not supported", name));
  }
  if ((declared == RegisterClass::kPredicate) != (wanted == RegisterClass::kPredicate) ||
      declared < wanted) {
    reject(fmt::format("source {} does not hold a {}", name, ptx::name_of(type)));
  }
  if (operand.negated) {
    if (wanted != RegisterClass::kPredicate) {
      reject(fmt::format("only predicates can be negated, and {} is none", name));
    }
    return negated_predicate(operand.index);
  }
  return declared == wanted ? operand.index : resized(operand.index, wanted, false);
}

uint32_t Builder::special_source(const ptx::Operand& operand, ptx::Type type) {
  const std::string_view name = decoder_.module().text(operand);
  const auto special = find_special_register(name);
  if (!special) reject(fmt::format("special register {} is not supported", name));
  uint32_t held = 0;
  if (is_volatile(*special)) {
    held = decoder_.temporary(class_of(type_of(*special)));
    Draft draft;
    draft.operation.execute = &read_special;
    draft.operation.immediate = static_cast<int64_t>(*special);
    draft.references = {{held, false, true}};
    draft.source = &instruction_;
    decoder_.append(std::move(draft));
  } else {
    held = decoder_.special(*special);
  }
  const RegisterClass wanted = class_of(type);
  return decoder_.class_of(held) == wanted ? held : resized(held, wanted, false);
}

uint64_t Builder::address_of(const ptx::Variable& variable) const {
  switch (variable.space) {
    case ptx::Space::kGlobal:
    case ptx::Space::kConst:
      return decoder_.context().address_of(variable);
    case ptx::Space::kShared:
      return decoder_.context().shared_address_of(variable);
    case ptx::Space::kLocal:
      return decoder_.local_offset(variable);
    case ptx::Space::kParam:
      if (decoder_.parameter_block(variable)) {
        reject(fmt::format("the address of parameter {} of a device function is not supported",
                           variable.name));
      }
      return variable.offset;
    default:
      reject(fmt::format("{} has no address", variable.name));
  }
}

uint32_t Builder::address_of_symbol(const ptx::Operand& operand, ptx::Type type) {
  const RegisterClass wanted = class_of(type);
  if (operand.kind == ptx::OperandKind::kFunction) {
    return decoder_.constant(decoder_.context().function_address_of(*operand.function), wanted);
  }
  const uint64_t address = address_of(*operand.variable) + static_cast<uint64_t>(operand.value);
  if (operand.variable->space != ptx::Space::kLocal) {
    return decoder_.constant(low_bits(address, wanted), wanted);
  }
  const uint32_t place = local_address(address);
  return wanted == RegisterClass::k64 ? place : resized(place, wanted, false);
}

uint32_t Builder::local_address(uint64_t offset) {
  const uint32_t base = decoder_.special(SpecialRegister::kLocalBase);
  if (offset == 0) return base;
  const uint32_t sum = decoder_.temporary(RegisterClass::k64);
  Draft draft;
  draft.operation.execute = &add_addresses;
  draft.references = {{sum, false, true},
                      {base, true, false},
                      {decoder_.constant(offset, RegisterClass::k64), true, false}};
  draft.source = &instruction_;
  decoder_.append(std::move(draft));
  return sum;
}

uint32_t Builder::read_raw_address(size_t index) {
  const ptx::Operand& address = operand(index);
  if (address.kind != ptx::OperandKind::kAddress) {
    reject(fmt::format("operand {} must be an address", index + 1));
  }
  uint32_t base = 0;
  if (address.base == ptx::AddressBase::kRegister) {
    base = address.index;
    draft_.operation.immediate += address.value;
  } else if (address.base == ptx::AddressBase::kAbsolute) {
    base = decoder_.constant(static_cast<uint64_t>(address.value), RegisterClass::k64);
  } else if (address.variable->space == ptx::Space::kLocal) {
    base = decoder_.special(SpecialRegister::kLocalBase);
    draft_.operation.immediate +=
        static_cast<int64_t>(address_of(*address.variable)) + address.value;
  } else {
    const uint64_t place = address_of(*address.variable) + static_cast<uint64_t>(address.value);
    base = decoder_.constant(place, RegisterClass::k64);
  }
  const RegisterClass held = decoder_.class_of(base);
  if (held != RegisterClass::k32 && held != RegisterClass::k64) {
    reject("an address must be in a 32-bit or 64-bit register");
  }
  add(base, true, false);
  return held == RegisterClass::k64 ? 8 : 4;
}

void Builder::read_address(size_t index) {
  if (read_raw_address(index) == 4) {
    Reference& base = draft_.references.back();
    base.virtual_register = resized(base.virtual_register, RegisterClass::k64, false);
  }
}

void Builder::read_address_and_offset(size_t index) {
  const int64_t immediate = std::exchange(draft_.operation.immediate, 0);
  read_address(index);
  const int64_t offset = std::exchange(draft_.operation.immediate, immediate);
  read_constant(static_cast<uint64_t>(offset), ptx::Type::kU64);
}

uint32_t Builder::negated_predicate(uint32_t virtual_register) {
  const uint32_t negated = decoder_.temporary(RegisterClass::kPredicate);
  Draft draft;
  draft.operation.execute = &negate_predicate;
  draft.references = {{negated, false, true}, {virtual_register, true, false}};
  draft.source = &instruction_;
  decoder_.append(std::move(draft));
  return negated;
}

uint32_t Builder::resized(uint32_t virtual_register, RegisterClass to, bool is_signed) {
  const uint32_t result = decoder_.temporary(to);
  append_resize(result, virtual_register, is_signed);
  return result;
}

void Builder::append_resize(uint32_t to, uint32_t from, bool is_signed) {
  Draft draft;
  draft.operation.execute =
      resize_handler(decoder_.class_of(from), decoder_.class_of(to), is_signed);
  draft.references = {{to, false, true}, {from, true, false}};
  draft.source = &instruction_;
  decoder_.append(std::move(draft));
}

void Builder::jump_to(const ptx::Operand& label) {
  if (label.kind != ptx::OperandKind::kLabel) reject("the target must be a label");
  draft_.targets.push_back(label.index);
}

void Builder::jump_to_one_of(std::span<const uint32_t> instructions) {
  draft_.targets.assign(instructions.begin(), instructions.end());
  draft_.list_targets = true;
}

void Builder::end_block() { draft_.ends_block = true; }

void Builder::finish() {
  if (draft_.operation.execute == nullptr) reject("its form has no handler");
  decoder_.append(std::move(draft_));
  for (const Widening& widening : widenings_) {
    append_resize(widening.to, widening.from, widening.is_signed);
  }
}

}  // namespace slipstream::emulator
