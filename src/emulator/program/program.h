// A kernel, decoded: the operations of the kernel itself and of every function it can call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "code/ptx/module.h"
#include "emulator/program/operation.h"
#include "emulator/program/round_up.h"
#include "emulator/program/special_register.h"

namespace slipstream::emulator {

// A special register that a function reads, and where its lanes are.
struct SpecialSlot {
  SpecialRegister special;
  uint32_t offset = 0;
};

struct RegisterSlot {
  uint32_t offset = 0;
  uint32_t bytes = 0;
};

// A .param variable of a device function or a call: `bytes` for each of 32 lanes, lane by lane.
struct ParameterBlock {
  uint32_t offset = 0;  // in the register file
  uint32_t bytes = 0;   // per lane
};

struct FunctionCode {
  const ptx::Function* source = nullptr;
  const ptx::Module* module = nullptr;  // that has it
  uint32_t entry = 0;                   // index of the first operation
  uint32_t register_bytes = 0;          // of the register file
  uint32_t local_bytes = 0;             // per thread, of its own variables
  uint32_t live_registers = 0;          // most 32-bit registers live at once
  std::vector<std::byte> image;         // start of the register file: constants
  std::vector<SpecialSlot> specials;
  std::vector<RegisterSlot> unset;         // registers that may be read before they are written
  std::vector<ParameterBlock> parameters;  // device functions
  std::vector<ParameterBlock> results;
};

// What a call passes, per call operation.
struct CallSite {
  const FunctionCode* callee = nullptr;   // null: indirect
  uint32_t target_register = 0;           // of an indirect call: 64-bit lanes with the address
  std::vector<ParameterBlock> arguments;  // in the caller's register file
  std::vector<ParameterBlock> results;
};
[[nodiscard]] inline const CallSite& call_of(const Operation& operation) {
  return *reinterpret_cast<const CallSite*>(operation.immediate);
}

// A static .shared variable, by its place in the CTA's shared memory.
struct SharedVariable {
  std::string_view name;
  uint64_t offset = 0;
  uint64_t size = 0;
};

// What an operation does with a lane of a source that has no value, since nobody wrote the memory it is from.
enum class Passing : uint8_t {
  kUses,        // what nobody knows more of
  kLaneByLane,  // that lane of its results has no value either
  kSelects,     // the same, but of operands 1 and 2 only the one that predicate 3 selects counts
  kAndOfPredicates,  // the same, but where the other of operands 1 and 2 is false the result has a value,
  kOrOfPredicates,  // or true
  kHandlerDecides,
};

struct RegisterUse {
  uint32_t offset = 0;
  uint16_t bytes = 0;  // of all lanes
  bool is_read = false;
  bool is_written = false;
};

// Of one operation, in Program::register_uses.
struct OperationUses {
  uint32_t first = 0;
  uint16_t count = 0;
  Passing passing = Passing::kUses;
};

struct Program {
  // Its own, for who remembers it: another program may have its address later.
  std::shared_ptr<const void> identity = std::make_shared<char>();
  const ptx::Function* kernel = nullptr;
  std::vector<Operation> operations;
  std::vector<const ptx::Instruction*> sources;      // of each operation
  std::vector<const FunctionCode*> functions_by_pc;  // of each operation
  std::vector<OperationUses> uses;                   // of each operation
  std::vector<RegisterUse> register_uses;
  std::deque<FunctionCode> functions;                            // [0] is the kernel
  std::unordered_map<uint64_t, const FunctionCode*> by_address;  // targets of indirect calls
  std::deque<std::vector<uint32_t>> operand_lists;  // what Operation::all_operands points to
  std::deque<CallSite> call_sites;
  std::vector<SharedVariable> shared_variables;  // by offset
  uint32_t static_shared_bytes = 0;        // of .shared variables; dynamic shared memory follows
  uint32_t shared_alignment = 16;          // of the start of dynamic shared memory
  uint32_t local_bytes = 0;                // per thread, for one activation of each function
  bool has_recursion = false;              // or indirect calls: local memory gets a deep stack
  bool waits_for_grids = false;            // griddepcontrol.wait
  bool uses_heap = false;                  // malloc or free
  bool may_make_ordered_accesses = false;  // Worker::wait_for_turn
  uint32_t parameter_bytes = 0;

  uint32_t dynamic_shared_offset() const { return round_up(static_shared_bytes, shared_alignment); }
};

}  // namespace slipstream::emulator
