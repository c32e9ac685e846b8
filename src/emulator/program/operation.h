// A decoded instruction, as the executor runs it.
//
// Every operand is a byte offset into the register file of the warp's current frame, where a
// register has 32 lanes of the register's width (a predicate is one 32-bit mask). Immediates,
// addresses of symbols and special registers are splatted into the same file when a frame is made,
// so a handler never asks what kind an operand is.
#pragma once

#include <array>
#include <cstdint>

namespace slipstream::emulator {
struct Warp;
}

namespace slipstream::emulator {

inline constexpr uint32_t kWarpSize = 32;
inline constexpr uint32_t kAllLanes = 0xffffffffU;

// What the executor does after a handler.
enum class Step : uint8_t {
  kNext,        // go on after the instruction
  kJump,        // the handler has set Warp::pc for the whole group
  kReschedule,  // the handler has split, parked or ended groups: choose again
  kFollow,  // as kNext; the warp has values now that must be followed (machine/unwritten_values.h)
};

struct Operation;
// `executing` has a bit for each lane that executes: active, and not stopped by the guard. Never 0.
using Handler = Step (*)(const Operation& operation, Warp& warp, uint32_t executing);

struct Operation {
  Handler execute = nullptr;
  uint32_t guard = 0;                      // offset of the guard predicate; 0 holds all ones
  uint32_t guard_flip = 0;                 // all ones for @!p
  std::array<uint32_t, 8> operands{};      // the first eight, in the order the builder added them
  int64_t immediate = 0;                   // address offset, branch target, selector: per handler
  const uint32_t* all_operands = nullptr;  // every operand, where there are more than eight
};
static_assert(sizeof(Operation) == 64, "one cache line per operation");

}  // namespace slipstream::emulator
