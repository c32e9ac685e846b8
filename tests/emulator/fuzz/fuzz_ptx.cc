// Any text is either a module or a ParseError; every accessor of a module works.
#include <cstddef>
#include <cstdint>
#include <string>

#include "code/ptx/module.h"

namespace ptx = slipstream::ptx;

namespace {

void visit(const ptx::Module& module, const ptx::Function& function) {
  for (const ptx::Instruction& instruction : function.instructions) {
    (void)module.text(instruction);
    (void)module.describe_location(instruction);
    for (const ptx::Operand& operand : function.operands_of(instruction)) {
      (void)module.text(operand);
      for (const ptx::Operand& child : function.children_of(operand)) {
        (void)module.text(child);
      }
      if (operand.kind == ptx::OperandKind::kRegister &&
          operand.index >= function.register_types.size()) {
        __builtin_trap();
      }
      if (operand.kind == ptx::OperandKind::kLabel &&
          operand.index > function.instructions.size()) {
        __builtin_trap();
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const auto module =
        ptx::Module::parse(std::string(reinterpret_cast<const char*>(data), size), "fuzz.ptx");
    for (const ptx::Function& function : module->functions) {
      visit(*module, function);
    }
  } catch (const ptx::ParseError&) {
    return 0;
  }
  return 0;
}
