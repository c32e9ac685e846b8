// Makes reports of what handlers raise: with kernel, CTA, thread, source line and allocation.
#pragma once

#include <string>
#include <vector>

#include "emulator/machine/cta.h"
#include "emulator/machine/fault.h"
#include "emulator/machine/grid_run.h"
#include "emulator/machine/unwritten_values.h"
#include "emulator/machine/warp.h"

namespace slipstream::emulator {

// The fault that `cause` is, raised by the warp's current operation.
Fault describe_fault(const Warp& warp, const LaneFault& cause);
// Reports a finding that does not stop the grid, once for each operation.
void report_once(Warp& warp, const LaneFault& finding);
// Reports a load of memory that nobody wrote, once, where the current operation uses what a lane has got by it.
void report_unwritten_use(Warp& warp, const UnwrittenRead& read, uint32_t lane);

// What is at or near an address of global memory.
std::string describe_address(const DeviceContext& device, uint64_t address);

std::string demangle(std::string_view name);

}  // namespace slipstream::emulator
