// Decodes one function: instructions to operations, and virtual registers to places in a register
// file.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "code/ptx/module.h"
#include "emulator/decoder/builder.h"
#include "emulator/decoder/draft.h"
#include "emulator/program/program.h"
#include "emulator/program/special_register.h"

namespace slipstream::emulator {

// What a decoder must know of the rest of the program.
struct ProgramContext {
  Program* program = nullptr;
  // The device address of a module-scope .global or .const variable.
  std::function<uint64_t(const ptx::Variable&)> address_of;
  // The offset in shared memory (as an address) of a .shared variable.
  std::function<uint64_t(const ptx::Variable&)> shared_address_of;
  // The code of a function of the program; null if it has no body.
  std::function<FunctionCode*(const ptx::Function&)> code_of;
  std::function<uint64_t(const ptx::Function&)> function_address_of;
};

class FunctionDecoder {
 public:
  FunctionDecoder(ProgramContext& context, const ptx::Function& function, FunctionCode& code);

  // Appends the function's operations to the program. Throws LaunchError.
  void decode();

  // --- For the builder.

  const ptx::Function& function() const { return function_; }
  const ptx::Module& module() const { return *code_.module; }
  ProgramContext& context() { return context_; }
  uint32_t virtual_register(uint32_t ptx_register) const { return ptx_register; }
  RegisterClass class_of(uint32_t virtual_register) const { return classes_[virtual_register]; }
  uint32_t constant(uint64_t bits, RegisterClass register_class);
  uint32_t special(SpecialRegister special);
  uint32_t temporary(RegisterClass register_class);
  uint32_t carry();
  void append(Draft draft);
  // The per-lane block of a .param variable of a device function or of a call; nullopt for the
  // parameters of a kernel, which all lanes share.
  std::optional<ParameterBlock> parameter_block(const ptx::Variable& variable) const;
  uint32_t local_offset(const ptx::Variable& variable) const;
  [[noreturn]] void reject(const ptx::Instruction& instruction, const std::string& why) const;

 private:
  void lay_out_parameters();
  void lay_out_locals();
  void decode_instruction(const ptx::Instruction& instruction);
  void place_constants();
  void allocate_slots();
  void emit();
  uint32_t resolve(uint32_t virtual_register) const { return offsets_[virtual_register]; }

  ProgramContext& context_;
  const ptx::Function& function_;
  FunctionCode& code_;
  std::vector<RegisterClass> classes_;  // by virtual register; PTX registers come first
  std::vector<uint32_t> offsets_;       // by virtual register, kUnplaced until known
  std::vector<Draft> drafts_;
  std::vector<uint32_t> first_draft_;  // by PTX instruction, and one past the end
  std::map<std::pair<uint64_t, RegisterClass>, uint32_t> constants_;
  std::map<SpecialRegister, uint32_t> specials_;
  std::map<const ptx::Variable*, ParameterBlock> blocks_;
  std::map<const ptx::Variable*, uint32_t> locals_;
  uint32_t carry_ = kNoRegister;
  uint32_t next_offset_ = 0;  // of the register file
};

}  // namespace slipstream::emulator
