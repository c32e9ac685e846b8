// What can go wrong on the emulated device, and everything known about it.
#pragma once

#include <array>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace slipstream::emulator {

struct Dim3 {
  uint32_t x = 1;
  uint32_t y = 1;
  uint32_t z = 1;

  uint64_t count() const { return static_cast<uint64_t>(x) * y * z; }
  bool operator==(const Dim3&) const = default;
};

// Numeric values of cudaError_t, for the few that the machine raises by itself.
enum class CudaError : int {
  kSuccess = 0,
  kInvalidValue = 1,
  kMemoryAllocation = 2,
  kInvalidConfiguration = 9,
  kInvalidDeviceFunction = 98,
  kIllegalAddress = 700,
  kLaunchOutOfResources = 701,
  kLaunchTimeout = 702,
  kAssert = 710,
  kHardwareStackError = 714,
  kIllegalInstruction = 715,
  kMisalignedAddress = 716,
  kInvalidAddressSpace = 717,
  kLaunchFailure = 719,
  kCooperativeLaunchTooLarge = 720,
  kNotSupported = 801,
  kInvalidClusterSize = 912,
};

enum class FaultKind : uint8_t {
  kOutOfBounds,
  kMisaligned,
  kUseAfterFree,
  kNoPeerAccess,  // memory of another device, which the kernel's device may not use
  kInvalidFree,   // free, in a kernel, of what malloc did not return or was freed before
  kUninitializedRead,
  kDeadlock,
  kDivergentBarrier,
  kTrap,
  kAssert,
  kStackOverflow,
  kMissingFence,        // wgmma without its fence
  kIllegalInstruction,  // an operand that PTX leaves undefined, such as an empty member mask
  kHostFunction,        // a submitted host operation threw
  kStopped,             // by a signal
  kExitedLanes,         // that a barrier or a shuffle needs
};

// The cudaError that a real device reports for the fault.
CudaError cuda_error(FaultKind kind);
// "out of bounds", for the first line of a report.
const char* name_of(FaultKind kind);

// What stopped a launch, with where: enough to find the bug without running again.
struct Fault {
  FaultKind kind = FaultKind::kOutOfBounds;
  uint32_t device = 0;
  bool is_one_of_several = false;  // devices: the report says which
  std::string message;  // "ld.global.u32 of 4 bytes at 0x7f.. is 4 bytes past the end of ..."
  std::string kernel;   // demangled
  Dim3 grid;
  Dim3 block;
  std::array<uint32_t, 3> cta{};
  std::array<uint32_t, 3> thread{};
  uint64_t address = 0;             // of the access, where there is one
  std::string location;             // "file.cu:12:3", then " inlined at file.cu:40:7" per level
  std::string instruction;          // PTX text
  uint32_t ptx_line = 0;            // of the module's text, 1-based
  std::string allocation;           // the allocation concerned, described, or empty
  std::vector<std::string> others;  // deadlocks: one line per place where warps wait

  CudaError error() const { return cuda_error(kind); }
  std::string report() const;  // several lines, ending in a newline
};

// Thrown while a warp executes; the executor turns it into a Fault with kernel, CTA and source.
class LaneFault : public std::runtime_error {
 public:
  LaneFault(FaultKind kind, uint32_t lane, uint64_t address, const std::string& message)
      : std::runtime_error(message), kind(kind), lane(lane), address(address) {}

  FaultKind kind;
  uint32_t lane;
  uint64_t address;
};

// A launch that the device refuses before it starts; not sticky.
class LaunchError : public std::runtime_error {
 public:
  LaunchError(CudaError error, const std::string& message)
      : std::runtime_error(message), error(error) {}

  CudaError error;
};

}  // namespace slipstream::emulator
