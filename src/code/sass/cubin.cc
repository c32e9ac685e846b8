#include "code/sass/cubin.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>

#include "code/fatbin.h"
#include "code/sass/line_table.h"

namespace slipstream::sass {
namespace {

using code::ByteReader;
using code::ElfFile;
using code::ElfSection;
using code::ElfSymbol;

constexpr uint8_t kEntryFlag = 0x10;  // in a symbol's st_other
constexpr std::string_view kCodePrefix = ".text.";
constexpr std::string_view kVariableSection = ".nv.constant4";

// Attributes of .nv.info.<kernel> and, of all of them, .nv.info, learned from cubins of nvcc 13.0.
enum InfoAttribute : uint8_t {
  kInfoMaxThreads = 0x05,
  kInfoParameterBank = 0x0a,
  kInfoRequiredThreads = 0x10,
  kInfoParameter = 0x17,
  kInfoRegisters = 0x2f,
  kInfoIndirectBranches = 0x34,
};
constexpr uint8_t kInfoHasPayload = 4;  // format byte: a size and that many bytes follow

uint32_t product_of_dimensions(const ByteReader& payload) {
  uint64_t product = 1;
  for (uint64_t offset = 0; offset + 4 <= std::min<uint64_t>(payload.size(), 12); offset += 4) {
    product *= std::min<uint64_t>(payload.read<uint32_t>(offset), 1024);
  }
  return static_cast<uint32_t>(std::min<uint64_t>(product, 1024));
}

void read_parameter(const ByteReader& payload, Kernel& kernel) {
  const auto ordinal = payload.read<uint16_t>(4);
  const auto offset = payload.read<uint16_t>(6);
  const uint32_t bytes = payload.read<uint32_t>(8) >> 18U;
  if (ordinal >= kernel.parameters.size()) kernel.parameters.resize(ordinal + 1U);
  kernel.parameters[ordinal] = {.offset = offset, .bytes = bytes};
}

// Records of { branch, two unused half-words, count, targets }.
void read_indirect_branches(const ByteReader& payload, Kernel& kernel) {
  uint64_t at = 0;
  while (at + 12 <= payload.size()) {
    std::vector<uint32_t>& targets = kernel.indirect_targets[payload.read<uint32_t>(at)];
    const auto count = payload.read<uint32_t>(at + 8);
    at += 12;
    for (uint32_t i = 0; i < count; ++i, at += 4) targets.push_back(payload.read<uint32_t>(at));
  }
}

void read_attribute(uint8_t attribute, const ByteReader& payload, Kernel& kernel) {
  switch (attribute) {
    case kInfoMaxThreads:
    case kInfoRequiredThreads:
      kernel.max_threads = product_of_dimensions(payload);
      break;
    case kInfoParameterBank:
      kernel.parameter_base = payload.read<uint16_t>(4);
      kernel.parameter_bytes = payload.read<uint16_t>(6);
      break;
    case kInfoParameter:
      read_parameter(payload, kernel);
      break;
    case kInfoIndirectBranches:
      read_indirect_branches(payload, kernel);
      break;
    default:
      break;
  }
}

// Calls visit(attribute, payload).
template <class Visitor>
void visit_info(const ElfSection& section, const Visitor& visit) {
  const ByteReader info(section.data, "a cubin's .nv.info", section.offset);
  uint64_t at = 0;
  while (at + 4 <= info.size()) {
    const auto format = info.read<uint8_t>(at);
    const auto attribute = info.read<uint8_t>(at + 1);
    const auto value = info.read<uint16_t>(at + 2);
    at += 4;
    if (format != kInfoHasPayload) continue;
    visit(attribute, info.sub_reader(at, value, "an attribute of .nv.info"));
    at += value;
  }
}

// Relocations { offset, symbol in the upper half, addend } that fill in addresses of variables.
void read_variables(const ElfFile& file, const ElfSection& section, Kernel& kernel) {
  const ByteReader table(section.data, "a cubin's relocations", section.offset);
  for (uint64_t at = 0; at + sizeof(Elf64_Rela) <= table.size(); at += sizeof(Elf64_Rela)) {
    const auto relocation = table.read<Elf64_Rela>(at);
    const uint64_t symbol = relocation.r_info >> 32U;
    if (symbol < file.symbols.size()) {
      kernel.variables[static_cast<uint32_t>(relocation.r_offset)] =
          std::string(file.symbols[symbol].name);
    }
  }
}

void read_calls(const ElfFile& file, const ElfSection& section, const ElfSymbol& self,
                Kernel& kernel) {
  const ByteReader table(section.data, "a cubin's relocations", section.offset);
  for (uint64_t at = 0; at + sizeof(Elf64_Rela) <= table.size(); at += sizeof(Elf64_Rela)) {
    const uint64_t symbol = table.read<Elf64_Rela>(at).r_info >> 32U;
    if (symbol >= file.symbols.size()) continue;
    const ElfSymbol& target = file.symbols[symbol];
    if (target.type == STT_FUNC && target.section != self.section) {
      kernel.calls.emplace_back(target.name);
    }
  }
}

const ElfSection* find_section(const ElfFile& file, const std::string& name) {
  const auto found = std::find_if(file.sections.begin(), file.sections.end(),
                                  [&](const ElfSection& one) { return one.name == name; });
  return found == file.sections.end() ? nullptr : &*found;
}

// Records { symbol, registers }, of all kernels.
uint32_t registers_of(const ElfFile& file, const ElfSymbol& symbol) {
  uint32_t registers = 0;
  if (const ElfSection* info = find_section(file, ".nv.info")) {
    const auto index = static_cast<uint32_t>(&symbol - file.symbols.data());
    visit_info(*info, [&](uint8_t attribute, const ByteReader& payload) {
      if (attribute != kInfoRegisters || payload.read<uint32_t>(0) != index) return;
      registers = payload.read<uint32_t>(4);
    });
  }
  return registers;
}

Kernel read_kernel(const ElfFile& file, const ElfSymbol& symbol) {
  Kernel kernel;
  kernel.name = symbol.name;
  kernel.text = file.sections[symbol.section].data;
  if (kernel.text.size() % sizeof(Word) != 0) {
    throw code::FormatError(fmt::format("the code of {} must be a multiple of {} bytes, not {}",
                                        symbol.name, sizeof(Word), kernel.text.size()),
                            file.sections[symbol.section].offset);
  }
  kernel.registers = registers_of(file, symbol);
  if (const ElfSection* info = find_section(file, ".nv.info." + kernel.name)) {
    visit_info(*info, [&](uint8_t attribute, const ByteReader& payload) {
      read_attribute(attribute, payload, kernel);
    });
  }
  if (const ElfSection* table = find_section(file, ".nv.constant2." + kernel.name)) {
    kernel.table = table->data;
  }
  if (const ElfSection* table = find_section(file, ".rela" + std::string(kVariableSection))) {
    read_variables(file, *table, kernel);
  }
  if (const ElfSection* table =
          find_section(file, ".rela" + std::string(file.sections[symbol.section].name))) {
    read_calls(file, *table, symbol, kernel);
  }
  return kernel;
}

}  // namespace

Word Kernel::word(size_t index) const {
  return ByteReader(text, "a kernel's code").read<Word>(index * sizeof(Word));
}

Cubin read_cubin(std::span<const std::byte> bytes, std::string_view what) {
  const ElfFile file = code::read_elf(bytes, what);
  if (file.machine != code::kElfMachineCuda) {
    throw code::FormatError(
        fmt::format("{} must be an ELF file for CUDA (machine {}), not machine {}", what,
                    code::kElfMachineCuda, file.machine),
        offsetof(Elf64_Ehdr, e_machine));
  }
  Cubin cubin;
  cubin.architecture = code::read_images(bytes, what).front().architecture;
  for (const ElfSymbol& symbol : file.symbols) {
    const bool is_kernel = symbol.type == STT_FUNC && (symbol.other & kEntryFlag) != 0 &&
                           symbol.section < file.sections.size() &&
                           file.sections[symbol.section].name.starts_with(kCodePrefix);
    if (is_kernel) cubin.kernels.push_back(read_kernel(file, symbol));
  }
  read_line_table(file, cubin);
  return cubin;
}

}  // namespace slipstream::sass
