// Makes reports of what no longer goes on: where each warp waits, and for what.
#pragma once

#include <vector>

#include "emulator/machine/cta.h"
#include "emulator/machine/fault.h"
#include "emulator/machine/grid_run.h"

namespace slipstream::emulator {

// The fault of a cluster none of whose warps can go on.
Fault describe_deadlock(const Cluster& cluster);
// A cluster that runs when a signal stops the program.
Fault describe_stop(const Cluster& cluster);
// The fault of a device whose grids all poll memory that nobody writes.
Fault describe_spin(const std::vector<const GridRun*>& grids);

}  // namespace slipstream::emulator
