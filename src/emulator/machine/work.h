// Submitted work, and what a runner needs to execute it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "emulator/machine/grid_run.h"
#include "emulator/machine/launch.h"

namespace slipstream::emulator {

struct WorkItem {
  std::unique_ptr<GridRun> grid;    // null for a host operation
  std::function<void()> operation;  // the host operation
  std::vector<Dependency> dependencies;
};

// Work that is not complete, by ticket. Dependencies on tickets that are not here are fulfilled.
using WorkQueue = std::map<Ticket, WorkItem>;

// Runs the host operation of that ticket; the fault if it throws.
std::optional<Fault> run_host_operation(Ticket ticket, const std::function<void()>& operation,
                                        DeviceContext& device);

}  // namespace slipstream::emulator
