#include "emulator/machine/fault.h"

#include <fmt/format.h>

#include <string>

#include "emulator/machine/fault_place.h"

namespace slipstream::emulator {

const char* name_of(FaultKind kind) {
  switch (kind) {
    case FaultKind::kOutOfBounds:
      return "out of bounds";
    case FaultKind::kMisaligned:
      return "misaligned address";
    case FaultKind::kUseAfterFree:
      return "use after free";
    case FaultKind::kNoPeerAccess:
      return "no peer access";
    case FaultKind::kInvalidFree:
      return "invalid free";
    case FaultKind::kUninitializedRead:
      return "read of memory nobody wrote";
    case FaultKind::kDeadlock:
      return "deadlock";
    case FaultKind::kDivergentBarrier:
      return "divergent barrier";
    case FaultKind::kTrap:
      return "trap";
    case FaultKind::kAssert:
      return "assertion failed";
    case FaultKind::kStackOverflow:
      return "stack overflow";
    case FaultKind::kMissingFence:
      return "missing fence";
    case FaultKind::kIllegalInstruction:
      return "illegal instruction";
    case FaultKind::kHostFunction:
      return "host function failed";
    case FaultKind::kStopped:
      return "stopped";
    case FaultKind::kExitedLanes:
      return "exited lanes";
  }
  return "fault";
}

CudaError cuda_error(FaultKind kind) {
  switch (kind) {
    case FaultKind::kOutOfBounds:
    case FaultKind::kUseAfterFree:
    case FaultKind::kNoPeerAccess:
    case FaultKind::kUninitializedRead:
      return CudaError::kIllegalAddress;
    case FaultKind::kMisaligned:
      return CudaError::kMisalignedAddress;
    case FaultKind::kDeadlock:
    case FaultKind::kStopped:
      return CudaError::kLaunchTimeout;
    case FaultKind::kAssert:
      return CudaError::kAssert;
    case FaultKind::kStackOverflow:
      return CudaError::kHardwareStackError;
    case FaultKind::kDivergentBarrier:
    case FaultKind::kMissingFence:
    case FaultKind::kExitedLanes:
    case FaultKind::kIllegalInstruction:
      return CudaError::kIllegalInstruction;
    case FaultKind::kInvalidFree:
    case FaultKind::kTrap:
    case FaultKind::kHostFunction:
      return CudaError::kLaunchFailure;
  }
  return CudaError::kLaunchFailure;
}

std::string Fault::report() const {
  const std::string number = is_one_of_several ? fmt::format(" {}", device) : "";
  std::string text = fmt::format("emulated device{}: {}: {}\n", number, name_of(kind), message);
  if (kind == FaultKind::kHostFunction) return text;
  text += fmt::format("  at {}\n", location);
  text +=
      fmt::format("  in {}, CTA {}, thread {} of grid ({}, {}, {}), block ({}, {}, {})\n", kernel,
                  triple(cta), triple(thread), grid.x, grid.y, grid.z, block.x, block.y, block.z);
  text += fmt::format("  PTX line {}: {}\n", ptx_line, instruction);
  if (!allocation.empty()) text += fmt::format("  memory: {}\n", allocation);
  for (const std::string& other : others) text += fmt::format("  {}\n", other);
  return text;
}

}  // namespace slipstream::emulator
