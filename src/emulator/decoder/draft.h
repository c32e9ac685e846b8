// An operation whose registers and targets are still symbolic, and the liveness analysis that gives
// registers their places.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "code/ptx/module.h"
#include "emulator/program/operation.h"
#include "emulator/program/program.h"

namespace slipstream::emulator {
struct CallSite;
}

namespace slipstream::emulator {

enum class RegisterClass : uint8_t { kPredicate, k16, k32, k64, k128 };

RegisterClass class_of(ptx::Type type);
// Bytes of a register of the class in the register file: 32 lanes.
uint32_t bytes_of(RegisterClass register_class);

inline constexpr uint32_t kUnplaced = 0xffffffffU;
inline constexpr uint32_t kNoRegister = 0xffffffffU;

struct Reference {
  uint32_t virtual_register = 0;
  bool is_read = false;
  bool is_written = false;
  bool is_read_later = false;  // asynchronously, at any time
};

struct Draft {
  Operation operation;
  std::vector<Reference> references;  // in the order of the operands
  uint32_t guard = kNoRegister;
  std::vector<uint32_t> targets;  // PTX instructions that it may jump to
  bool ends_block = false;        // nothing falls through to the next operation
  bool list_targets = false;      // targets go to a list (brx.idx) rather than to `immediate`
  const ptx::Instruction* source = nullptr;
  Passing passing = Passing::kLaneByLane;  // as what is put around an instruction's own operation
};

// The registers that a linear scan has to place.
struct SlotRequest {
  std::span<const Draft> drafts;
  std::span<const uint32_t> first_draft;  // by PTX instruction
  std::span<const RegisterClass> classes;
  std::span<uint32_t> offsets;  // in: kUnplaced where a slot is wanted; out: all placed
  uint32_t base = 0;            // where slots may start
};
struct SlotResult {
  uint32_t end = 0;             // first byte after the register file
  uint32_t live_registers = 0;  // most 32-bit registers live at once
  // That may be read before they are written.
  std::vector<uint32_t> live_at_entry;
};

// Gives every virtual register a slot, one slot to registers that are never live together.
SlotResult allocate_slots(const SlotRequest& request);

}  // namespace slipstream::emulator
