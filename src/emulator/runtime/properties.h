// What the emulated device says about itself: the numbers of an H200, with a name of its own.
#pragma once

#include <driver_types.h>

#include <cstdint>
#include <optional>

namespace slipstream::emulator::runtime {

[[nodiscard]] cudaDeviceProp device_properties(uint32_t number);
// nullopt: no such attribute.
[[nodiscard]] std::optional<int> device_attribute(uint32_t number, cudaDeviceAttr attribute);

}  // namespace slipstream::emulator::runtime
