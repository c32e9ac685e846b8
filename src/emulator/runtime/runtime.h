// The one device of the process and what belongs to it.
#pragma once

#include "emulator/device/device.h"
#include "emulator/runtime/settings.h"

namespace slipstream::emulator::runtime {

// The emulated device; made from the environment's settings at the first use. Call with api_lock()
// held.
Device& device();
const Settings& settings();

// Runs until `ticket`, or everything, is complete, because the host waits for it. A fault is
// reported on stderr and kept as the process's fault.
void run_until(Ticket ticket);
void run_all();
// After a submission: under the serial schedule work runs at once, so that a program that only
// watches host memory for its result gets it; otherwise it stays queued until somebody waits, so
// that grids can overlap.
void submitted(Ticket ticket);

}  // namespace slipstream::emulator::runtime
