// The sections and symbols of a 64-bit little-endian ELF file: host programs and libraries, and
// cubins.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "code/byte_reader.h"

namespace slipstream::code {

struct ElfSection {
  std::string_view name;
  uint32_t type = 0;
  uint64_t flags = 0;
  uint64_t offset = 0;
  uint64_t entry_size = 0;
  uint32_t link = 0;
  uint32_t info = 0;
  std::span<const std::byte> data;  // empty for sections without bytes in the file
};

struct ElfSymbol {
  std::string_view name;
  uint8_t type = 0;  // 2: function
  uint8_t binding = 0;
  uint8_t other = 0;
  uint16_t section = 0;
  uint64_t value = 0;
  uint64_t size = 0;
};

// Views into the bytes it was read from.
struct ElfFile {
  uint16_t machine = 0;
  uint8_t abi_version = 0;
  uint32_t flags = 0;
  std::vector<ElfSection> sections;
  std::vector<ElfSymbol> symbols;
};

inline constexpr uint16_t kElfMachineCuda = 190;

bool is_elf(std::span<const std::byte> bytes);
// How long the ELF file is that starts there: where its headers and sections end. Throws FormatError.
uint64_t elf_size_at(const std::byte* start);
// Throws FormatError.
ElfFile read_elf(std::span<const std::byte> bytes, std::string_view what);

}  // namespace slipstream::code
