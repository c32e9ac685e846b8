// Where a fault is: what reports of faults (fault_report.h) and of what no longer goes on (stall_report.h) share.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "emulator/machine/fault.h"
#include "emulator/machine/warp.h"
#include "emulator/program/program.h"

namespace slipstream::emulator {

// Where an operation comes from, in source and in PTX.
struct Place {
  std::string location;
  std::string instruction;
  uint32_t ptx_line = 0;
};

Place place_of(const Program& program, uint32_t pc);

// "(1, 2, 3)"
std::string triple(const std::array<uint32_t, 3>& index);

// A fault with its place and no message yet.
Fault fault_in(const Warp& warp, FaultKind kind, uint32_t pc, uint32_t lane);

}  // namespace slipstream::emulator
