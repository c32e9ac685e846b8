#include "emulator/decoder/function_decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "emulator/machine/fault.h"
#include "emulator/program/round_up.h"

namespace slipstream::emulator {
namespace {

// Fills the 32 lanes of a constant's slot.
void splat(std::byte* slot, uint64_t bits, RegisterClass register_class) {
  if (register_class == RegisterClass::kPredicate) {
    std::memcpy(slot, &bits, sizeof(uint32_t));
    return;
  }
  const uint32_t width = bytes_of(register_class) / kWarpSize;
  for (uint32_t lane = 0; lane < kWarpSize; ++lane) {
    std::memset(slot + lane * width, 0, width);
    std::memcpy(slot + lane * width, &bits, std::min<size_t>(width, sizeof(bits)));
  }
}

std::string why_unsupported(const ptx::Opcode& opcode) {
  constexpr size_t kShown = 3;
  const NearestPatterns nearest = nearest_patterns(opcode, kShown);
  if (nearest.known == 0) return fmt::format("the emulator has no instruction {}", opcode.head);
  const std::string what =
      nearest.foreign.empty() ? "no form has these modifiers"
                              : fmt::format("no form has .{}", fmt::join(nearest.foreign, " or ."));
  return fmt::format("{}; of {} forms of {} the nearest are: {}", what, nearest.known, opcode.head,
                     fmt::join(nearest.patterns, "; "));
}

}  // namespace

FunctionDecoder::FunctionDecoder(ProgramContext& context, const ptx::Function& function,
                                 FunctionCode& code)
    : context_(context), function_(function), code_(code) {
  classes_.reserve(function.register_types.size());
  for (const ptx::Type type : function.register_types) classes_.push_back(emulator::class_of(type));
  offsets_.assign(classes_.size(), kUnplaced);
}

void FunctionDecoder::decode() {
  lay_out_parameters();
  lay_out_locals();
  for (const ptx::Instruction& instruction : function_.instructions) {
    decode_instruction(instruction);
  }
  first_draft_.push_back(static_cast<uint32_t>(drafts_.size()));
  // Falling off the end returns.
  static const ptx::Opcode return_opcode{"ret", "ret", {}, 0};
  ptx::Instruction last =
      function_.instructions.empty() ? ptx::Instruction{} : function_.instructions.back();
  last.opcode = &return_opcode;
  last.guard = ptx::kNoIndex;
  last.operand_count = 0;
  decode_instruction(last);
  first_draft_.pop_back();
  drafts_.back().source = function_.instructions.empty() ? nullptr : &function_.instructions.back();
  place_constants();
  allocate_slots();
  emit();
}

void FunctionDecoder::lay_out_parameters() {
  next_offset_ = 64;  // offset 0 holds the predicate that is always true
  const auto place = [&](const ptx::Variable& variable) {
    const ParameterBlock block{next_offset_, static_cast<uint32_t>(round_up(variable.size, 16))};
    blocks_[&variable] = block;
    next_offset_ = round_up(next_offset_ + block.bytes * kWarpSize, 64);
    return block;
  };
  if (!function_.is_entry) {
    for (const ptx::Variable& parameter : function_.parameters) {
      code_.parameters.push_back(place(parameter));
    }
    for (const ptx::Variable& result : function_.results) code_.results.push_back(place(result));
  }
  for (const ptx::Variable& variable : function_.variables) {
    if (variable.space == ptx::Space::kParam) place(variable);
  }
}

void FunctionDecoder::lay_out_locals() {
  uint64_t offset = 0;
  for (const ptx::Variable& variable : function_.variables) {
    if (variable.space == ptx::Space::kLocal) {
      offset = round_up(offset, std::max(variable.alignment, 1U));
      locals_[&variable] = static_cast<uint32_t>(offset);
      offset += variable.size;
    }
  }
  code_.local_bytes = round_up(offset, 16);
}

std::optional<ParameterBlock> FunctionDecoder::parameter_block(
    const ptx::Variable& variable) const {
  const auto found = blocks_.find(&variable);
  return found == blocks_.end() ? std::nullopt : std::optional(found->second);
}

uint32_t FunctionDecoder::local_offset(const ptx::Variable& variable) const {
  const auto found = locals_.find(&variable);
  if (found == locals_.end()) {
    throw LaunchError(CudaError::kNotSupported,
                      fmt::format("{}: local variable {} at module scope is not supported",
                                  function_.name, variable.name));
  }
  return found->second;
}

void FunctionDecoder::reject(const ptx::Instruction& instruction, const std::string& why) const {
  const ptx::Module& module = *code_.module;
  throw LaunchError(
      CudaError::kNotSupported,
      fmt::format("kernel {}: unsupported instruction at {} ({}:{}): `{}`: {}",
                  context_.program->kernel->name, module.describe_location(instruction),
                  module.name, instruction.line, module.text(instruction), why));
}

void FunctionDecoder::decode_instruction(const ptx::Instruction& instruction) {
  first_draft_.push_back(static_cast<uint32_t>(drafts_.size()));
  const size_t first = drafts_.size();
  const Match match = match_opcode(*instruction.opcode);
  if (match.form == nullptr) reject(instruction, why_unsupported(*instruction.opcode));
  Builder builder(*this, instruction, match);
  match.form->build(builder);
  builder.finish();
  if (instruction.guard != ptx::kNoIndex) {
    for (size_t i = first; i < drafts_.size(); ++i) {
      drafts_[i].guard = instruction.guard;
      drafts_[i].operation.guard_flip = instruction.guard_negated ? kAllLanes : 0;
    }
  }
}

uint32_t FunctionDecoder::constant(uint64_t bits, RegisterClass register_class) {
  const auto [entry, is_new] = constants_.try_emplace({bits, register_class}, 0);
  if (is_new) entry->second = temporary(register_class);
  return entry->second;
}

uint32_t FunctionDecoder::special(SpecialRegister special) {
  const auto [entry, is_new] = specials_.try_emplace(special, 0);
  if (is_new) entry->second = temporary(emulator::class_of(type_of(special)));
  return entry->second;
}

uint32_t FunctionDecoder::temporary(RegisterClass register_class) {
  classes_.push_back(register_class);
  offsets_.push_back(kUnplaced);
  return static_cast<uint32_t>(classes_.size() - 1);
}

uint32_t FunctionDecoder::carry() {
  if (carry_ == kNoRegister) carry_ = temporary(RegisterClass::kPredicate);
  return carry_;
}

void FunctionDecoder::append(Draft draft) { drafts_.push_back(std::move(draft)); }

void FunctionDecoder::place_constants() {
  const auto place = [&](uint32_t virtual_register) {
    const uint32_t bytes = bytes_of(classes_[virtual_register]);
    next_offset_ = round_up(next_offset_, bytes);
    offsets_[virtual_register] = next_offset_;
    next_offset_ += bytes;
    return offsets_[virtual_register];
  };
  for (const auto& [special, virtual_register] : specials_) {
    code_.specials.push_back({special, place(virtual_register)});
  }
  for (const auto& [key, virtual_register] : constants_) place(virtual_register);
  code_.image.assign(next_offset_, std::byte{0});
  splat(code_.image.data(), kAllLanes, RegisterClass::kPredicate);
  for (const auto& [key, virtual_register] : constants_) {
    splat(code_.image.data() + offsets_[virtual_register], key.first, key.second);
  }
}

void FunctionDecoder::allocate_slots() {
  const SlotResult result = emulator::allocate_slots(
      {drafts_, first_draft_, classes_, offsets_, round_up(next_offset_, 512)});
  code_.register_bytes = round_up(result.end, 64);
  code_.live_registers = result.live_registers;
  for (const uint32_t virtual_register : result.live_at_entry) {
    const uint32_t offset = offsets_[virtual_register];
    if (offset < code_.image.size()) continue;  // a constant, or a special register
    code_.unset.push_back({offset, bytes_of(classes_[virtual_register])});
  }
}

void FunctionDecoder::emit() {
  Program& program = *context_.program;
  code_.entry = static_cast<uint32_t>(program.operations.size());
  const auto place_of = [&](uint32_t ptx_instruction) {
    return code_.entry + first_draft_[ptx_instruction];
  };
  for (Draft& draft : drafts_) {
    Operation& operation = draft.operation;
    std::vector<uint32_t> places;
    places.reserve(draft.references.size());
    for (const Reference& reference : draft.references) {
      places.push_back(resolve(reference.virtual_register));
    }
    std::copy_n(places.begin(), std::min(places.size(), operation.operands.size()),
                operation.operands.begin());
    operation.guard = draft.guard == kNoRegister ? 0 : resolve(draft.guard);
    if (draft.list_targets) {
      places.clear();
      std::transform(draft.targets.begin(), draft.targets.end(), std::back_inserter(places),
                     place_of);
    } else if (!draft.targets.empty()) {
      operation.immediate = place_of(draft.targets.front());
    }
    if (places.size() > operation.operands.size() || draft.list_targets) {
      operation.all_operands = program.operand_lists.emplace_back(std::move(places)).data();
    }
    const auto first_use = static_cast<uint32_t>(program.register_uses.size());
    for (const Reference& reference : draft.references) {
      const uint32_t bytes = bytes_of(classes_[reference.virtual_register]);
      program.register_uses.push_back({resolve(reference.virtual_register),
                                       static_cast<uint16_t>(bytes), reference.is_read,
                                       reference.is_written});
    }
    program.uses.push_back(
        {first_use, static_cast<uint16_t>(draft.references.size()), draft.passing});
    program.operations.push_back(operation);
    program.sources.push_back(draft.source);
    program.functions_by_pc.push_back(&code_);
  }
}

}  // namespace slipstream::emulator
