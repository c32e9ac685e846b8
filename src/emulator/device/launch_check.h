// The conditions that a launch must meet before it is queued.
#pragma once

#include <cstdint>
#include <memory>

#include "emulator/device/device.h"
#include "emulator/machine/grid_run.h"

namespace slipstream::emulator {

// The grid that the launch asks for. Throws LaunchError with the error that a real device gives.
std::unique_ptr<GridRun> check_launch(KernelLaunch launch, DeviceContext& device);

// CTAs of that shape that fit on one SM.
uint32_t max_active_ctas_per_sm(const Kernel& kernel, uint32_t threads_per_cta,
                                uint32_t dynamic_shared_bytes);

}  // namespace slipstream::emulator
