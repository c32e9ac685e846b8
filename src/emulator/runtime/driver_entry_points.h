// The functions of the driver that cudaGetDriverEntryPoint hands out.
#pragma once

#include <string_view>

namespace slipstream::emulator::runtime {

struct DriverEntryPoint {
  std::string_view name;
  unsigned since = 0;  // the CUDA version that brought it, 12000 for 12.0
  void* function = nullptr;
};

// Null where there is none.
const DriverEntryPoint* find_driver_entry_point(std::string_view name);

}  // namespace slipstream::emulator::runtime
