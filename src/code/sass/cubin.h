// What a cubin says about its kernels besides their instructions: parameters, launch bounds,
// registers, targets of indirect branches and their tables, the global variables whose addresses are in constant bank
// 4, source lines.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "code/elf.h"
#include "code/parameter.h"
#include "code/sass/opcode.h"

namespace slipstream::sass {

// Where an instruction comes from; `line` 0 if unknown.
struct LineEntry {
  uint64_t address = 0;
  uint32_t file = 0;  // in Kernel::files
  uint32_t line = 0;
  // The place of the calling line in Kernel::lines, plus 1; always before this one. 0: not inlined.
  uint32_t inlined_at = 0;
};

struct Kernel {
  std::string name;
  std::span<const std::byte> text;
  std::span<const std::byte> table;  // constant bank 2, where the compiler puts tables of targets
  uint32_t parameter_base = 0;       // byte in constant bank 0
  uint32_t parameter_bytes = 0;
  std::vector<code::Parameter> parameters;  // by ordinal
  uint32_t max_threads = 0;
  uint32_t registers = 0;                                      // of a thread
  std::map<uint32_t, std::vector<uint32_t>> indirect_targets;  // byte of the branch -> bytes
  std::map<uint32_t, std::string> variables;                   // byte in bank 4 -> symbol
  std::vector<std::string> calls;  // functions that the code refers to, outside its section
  std::vector<std::string> files;
  std::vector<LineEntry> lines;  // by address

  [[nodiscard]] Word word(size_t index) const;
  [[nodiscard]] size_t word_count() const { return text.size() / 16; }
};

struct Cubin {
  uint32_t architecture = 0;
  std::vector<Kernel> kernels;
};

// Kernels only; functions that are called across sections are not listed. The result views `bytes`.
// Throws code::FormatError.
Cubin read_cubin(std::span<const std::byte> bytes, std::string_view what);

}  // namespace slipstream::sass
