#include "emulator/ptx/cubin.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>

#include "emulator/ptx/elf.h"
#include "emulator/ptx/fatbin.h"

namespace slipstream::emulator::ptx {
namespace {

constexpr uint8_t kEntryFlag = 0x10;  // in a symbol's st_other
constexpr std::string_view kCodePrefix = ".text.";

std::vector<SassInstruction> read_instructions(const ElfSection& section, const ElfSymbol& symbol) {
  const ByteReader code(section.data, "a cubin's code", section.offset);
  const ByteReader body = code.sub_reader(symbol.value, symbol.size, "a cubin's function");
  if (body.size() % sizeof(SassInstruction) != 0) {
    body.fail(fmt::format("the code of {} must be a multiple of {} bytes, not {}", symbol.name,
                          sizeof(SassInstruction), body.size()),
              0);
  }
  std::vector<SassInstruction> instructions(body.size() / sizeof(SassInstruction));
  for (size_t i = 0; i < instructions.size(); ++i) {
    instructions[i] = body.read<SassInstruction>(i * sizeof(SassInstruction));
  }
  return instructions;
}

}  // namespace

const SassFunction* Cubin::find(std::string_view name) const {
  const auto found = std::find_if(functions.begin(), functions.end(),
                                  [&](const SassFunction& one) { return one.name == name; });
  return found == functions.end() ? nullptr : &*found;
}

Cubin read_cubin(std::span<const std::byte> bytes, std::string_view what) {
  const ElfFile file = read_elf(bytes, what);
  if (file.machine != kElfMachineCuda) {
    throw FormatError(fmt::format("{} must be an ELF file for CUDA (machine {}), not machine {}",
                                  what, kElfMachineCuda, file.machine),
                      offsetof(Elf64_Ehdr, e_machine));
  }
  Cubin cubin;
  cubin.architecture = read_images(bytes, what).front().architecture;
  for (const ElfSymbol& symbol : file.symbols) {
    const bool is_code = symbol.type == STT_FUNC && symbol.section < file.sections.size() &&
                         file.sections[symbol.section].name.starts_with(kCodePrefix);
    if (is_code) {
      cubin.functions.push_back(
          {.name = std::string(symbol.name),
           .is_entry = (symbol.other & kEntryFlag) != 0,
           .instructions = read_instructions(file.sections[symbol.section], symbol)});
    }
  }
  return cubin;
}

}  // namespace slipstream::emulator::ptx
