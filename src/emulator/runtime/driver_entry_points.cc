#include "emulator/runtime/driver_entry_points.h"

#include <cuda.h>

#include <algorithm>
#include <array>

namespace slipstream::emulator::runtime {
namespace {

template <class Function>
DriverEntryPoint entry(std::string_view name, unsigned since, Function* function) {
  return {name, since, reinterpret_cast<void*>(function)};
}

}  // namespace

const DriverEntryPoint* find_driver_entry_point(std::string_view name) {
  static const std::array kEntryPoints = {
      entry("cuTensorMapEncodeIm2col", 12000, &cuTensorMapEncodeIm2col),
      entry("cuTensorMapEncodeIm2colWide", 12080, &cuTensorMapEncodeIm2colWide),
      entry("cuTensorMapEncodeTiled", 12000, &cuTensorMapEncodeTiled),
      entry("cuTensorMapReplaceAddress", 12000, &cuTensorMapReplaceAddress),
  };
  const auto* const found = std::ranges::find(kEntryPoints, name, &DriverEntryPoint::name);
  return found == kEntryPoints.end() ? nullptr : found;
}

}  // namespace slipstream::emulator::runtime
