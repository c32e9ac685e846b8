// Machine code (SASS) of a cubin: which functions it has and their instruction words.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "emulator/ptx/byte_reader.h"

namespace slipstream::emulator::ptx {

// One 16-byte instruction of sm_70 and later.
struct SassInstruction {
  uint64_t low = 0;
  uint64_t high = 0;

  // The low twelve bits say which instruction it is, operand forms included.
  [[nodiscard]] uint32_t opcode() const { return static_cast<uint32_t>(low & 0xfffU); }
  bool operator==(const SassInstruction&) const = default;
};

struct SassFunction {
  std::string name;       // mangled
  bool is_entry = false;  // a kernel, not a function that kernels call
  std::vector<SassInstruction> instructions;
};

struct Cubin {
  uint32_t architecture = 0;  // 90 for sm_90a
  std::vector<SassFunction> functions;

  [[nodiscard]] const SassFunction* find(std::string_view name) const;
};

// Throws FormatError.
Cubin read_cubin(std::span<const std::byte> bytes, std::string_view what);

}  // namespace slipstream::emulator::ptx
