// What the emulated device says about itself: the numbers of an H200, with a name of its own.
#pragma once

#include <driver_types.h>

#include <optional>

namespace slipstream::emulator::runtime {

[[nodiscard]] cudaDeviceProp device_properties();
// nullopt: no such attribute.
[[nodiscard]] std::optional<int> device_attribute(cudaDeviceAttr attribute);

}  // namespace slipstream::emulator::runtime
