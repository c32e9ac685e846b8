// The devices of the process and what belongs to them.
#pragma once

#include <optional>

#include "emulator/device/device.h"
#include "emulator/runtime/devices.h"
#include "emulator/runtime/settings.h"

namespace slipstream::emulator::runtime {

// The emulated devices; made from the environment's settings at the first use. Call with api_lock()
// held.
Device& device();
const Settings& settings();
// The number of a device. Throws ApiError cudaErrorInvalidDevice where there is none.
uint32_t device_number(int number);

// Runs until `ticket`, or all work of a device, is complete, because the host waits for it. Where
// only polls are left, other threads get the lock, to submit what the polls wait for; if for long
// nobody does, the polling devices are stopped. A fault is reported on stderr and kept as the fault of
// its device.
void run_until(Ticket ticket);
void run_all(uint32_t device);
// The process ends: runs what can run, and forgets the rest, which polls what nobody will write.
void run_or_drop_all(uint32_t device);
// Runs as far as work gets without waiting. Returns whether the ticket is complete.
bool try_run_until(Ticket ticket);
// After a submission: under the serial schedule work runs at once, so that a program that only
// watches host memory for its result gets it; otherwise it stays queued until somebody waits, so
// that grids can overlap.
void submitted(Ticket ticket);

}  // namespace slipstream::emulator::runtime
