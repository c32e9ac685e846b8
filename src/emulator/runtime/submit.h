// Hands operations to the device, with the order that streams and graphs give them.
#pragma once

#include <vector>

#include "emulator/device/device.h"
#include "emulator/runtime/operation.h"
#include "emulator/runtime/stream.h"

namespace slipstream::emulator::runtime {

[[nodiscard]] std::vector<Ticket> tickets_of(const std::vector<Dependency>& dependencies);

// Submits one operation, after `dependencies`, as work of the device. A child graph is submitted node
// by node; its ticket joins them all.
Ticket submit_operation(const Operation& operation, std::vector<Dependency> dependencies,
                        uint32_t number);

// What the device needs to know of a launch.
KernelLaunch machine_launch(const KernelOperation& operation, std::vector<Dependency> dependencies);

// Throws LaunchError where the device would refuse the launch.
void check_kernel(const KernelOperation& operation);

// Puts an operation into a stream: into its graph while the stream is captured, else after its
// earlier work. Returns the ticket, 0 while captured.
Ticket enqueue(Stream& stream, Operation operation);

}  // namespace slipstream::emulator::runtime
