#include "code/elf.h"

#include <elf.h>
#include <fmt/format.h>

#include <algorithm>

namespace slipstream::code {
namespace {

// A section type that cubins with debug information have (those of libnccl do): shared memory,
// which has a size and no bytes in the file.
constexpr uint32_t kSectionShared = SHT_LOPROC + 10;

bool has_bytes(uint32_t type) {
  return type != SHT_NOBITS && type != SHT_NULL && type != kSectionShared;
}

Elf64_Ehdr read_elf_header(const ByteReader& reader) {
  const auto header = reader.read<Elf64_Ehdr>(0);
  if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB) {
    reader.fail("an ELF file must be 64-bit and little-endian", EI_CLASS);
  }
  if (header.e_shnum != 0 && header.e_shentsize != sizeof(Elf64_Shdr)) {
    reader.fail(fmt::format("a section header must have {} bytes, not {}", sizeof(Elf64_Shdr),
                            header.e_shentsize),
                offsetof(Elf64_Ehdr, e_shentsize));
  }
  return header;
}

ElfSection read_section(const ByteReader& reader, uint64_t at) {
  const auto header = reader.read<Elf64_Shdr>(at);
  ElfSection section;
  section.type = header.sh_type;
  section.flags = header.sh_flags;
  section.offset = header.sh_offset;
  section.entry_size = header.sh_entsize;
  section.link = header.sh_link;
  section.info = header.sh_info;
  if (has_bytes(header.sh_type)) section.data = reader.slice(header.sh_offset, header.sh_size);
  return section;
}

std::string_view name_in(const ByteReader& reader, const ElfFile& file, uint64_t table,
                         uint64_t offset) {
  if (table >= file.sections.size()) {
    reader.fail(fmt::format("the string table {} must be one of the {} sections", table,
                            file.sections.size()),
                0);
  }
  const ElfSection& strings = file.sections[table];
  return ByteReader(strings.data, "an ELF string table", strings.offset).text(offset);
}

void read_symbols(const ByteReader& reader, const ElfSection& table, ElfFile& file) {
  if (table.entry_size != sizeof(Elf64_Sym)) {
    reader.fail(
        fmt::format("a symbol must have {} bytes, not {}", sizeof(Elf64_Sym), table.entry_size),
        table.offset);
  }
  const ByteReader entries(table.data, "an ELF symbol table", table.offset);
  for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= table.data.size(); at += sizeof(Elf64_Sym)) {
    const auto entry = entries.read<Elf64_Sym>(at);
    ElfSymbol symbol;
    symbol.name = name_in(reader, file, table.link, entry.st_name);
    symbol.type = ELF64_ST_TYPE(entry.st_info);
    symbol.binding = ELF64_ST_BIND(entry.st_info);
    symbol.other = entry.st_other;
    symbol.section = entry.st_shndx;
    symbol.value = entry.st_value;
    symbol.size = entry.st_size;
    file.symbols.push_back(symbol);
  }
}

}  // namespace

bool is_elf(std::span<const std::byte> bytes) {
  return bytes.size() >= SELFMAG && std::memcmp(bytes.data(), ELFMAG, SELFMAG) == 0;
}

uint64_t elf_size_at(const std::byte* start) {
  constexpr std::string_view kWhat = "an ELF file in memory";
  const Elf64_Ehdr header = read_elf_header(ByteReader({start, sizeof(Elf64_Ehdr)}, kWhat));
  const uint64_t table_end = header.e_shoff + uint64_t{header.e_shnum} * sizeof(Elf64_Shdr);
  uint64_t end = std::max<uint64_t>(sizeof(header), table_end);
  if (header.e_phnum != 0) {
    end = std::max(end, header.e_phoff + uint64_t{header.e_phnum} * header.e_phentsize);
  }
  const ByteReader reader({start, end}, kWhat);
  for (uint64_t at = header.e_shoff; at < table_end; at += sizeof(Elf64_Shdr)) {
    const auto section = reader.read<Elf64_Shdr>(at);
    if (has_bytes(section.sh_type)) end = std::max(end, section.sh_offset + section.sh_size);
  }
  return end;
}

ElfFile read_elf(std::span<const std::byte> bytes, std::string_view what) {
  const ByteReader reader(bytes, what);
  if (!is_elf(bytes)) reader.fail("an ELF file must start with 7F 45 4C 46", 0);
  const Elf64_Ehdr header = read_elf_header(reader);
  ElfFile file;
  file.machine = header.e_machine;
  file.abi_version = header.e_ident[EI_ABIVERSION];
  file.flags = header.e_flags;
  const ByteReader table = reader.sub_reader(
      header.e_shoff, uint64_t{header.e_shnum} * sizeof(Elf64_Shdr), "the ELF section table");
  std::vector<uint32_t> names;
  for (uint64_t i = 0; i < header.e_shnum; ++i) {
    file.sections.push_back(read_section(reader, header.e_shoff + i * sizeof(Elf64_Shdr)));
    names.push_back(table.read<Elf64_Shdr>(i * sizeof(Elf64_Shdr)).sh_name);
  }
  for (size_t i = 0; i < names.size(); ++i) {
    file.sections[i].name = name_in(reader, file, header.e_shstrndx, names[i]);
  }
  for (const ElfSection& section : file.sections) {
    if (section.type == SHT_SYMTAB) read_symbols(reader, section, file);
  }
  return file;
}

}  // namespace slipstream::code
