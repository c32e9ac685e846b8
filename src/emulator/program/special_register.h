// Names of the special registers (%tid.x and its like), as programs hold them.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "code/ptx/module.h"

namespace slipstream::emulator {

enum class SpecialRegister : uint8_t {
  kTidX,
  kTidY,
  kTidZ,
  kNtidX,
  kNtidY,
  kNtidZ,
  kCtaidX,
  kCtaidY,
  kCtaidZ,
  kNctaidX,
  kNctaidY,
  kNctaidZ,
  kLaneId,
  kWarpId,
  kNWarpId,
  kSmId,
  kNSmId,
  kGridId,
  kClusterIdX,
  kClusterIdY,
  kClusterIdZ,
  kNClusterIdX,
  kNClusterIdY,
  kNClusterIdZ,
  kClusterCtaidX,
  kClusterCtaidY,
  kClusterCtaidZ,
  kClusterNctaidX,
  kClusterNctaidY,
  kClusterNctaidZ,
  kClusterCtaRank,
  kClusterNctaRank,
  kIsExplicitCluster,
  kLaneMaskEq,
  kLaneMaskLe,
  kLaneMaskLt,
  kLaneMaskGe,
  kLaneMaskGt,
  kDynamicSharedSize,
  kTotalSharedSize,
  kReservedSharedOffsetBegin,
  // %envreg1 and %envreg2: the address where the CTAs of a cooperative grid meet.
  kEnvRegWorkspaceHigh,
  kEnvRegWorkspaceLow,
  kEnvReg,     // the others
  kLocalBase,  // not PTX: where the function's local variables start in the thread's memory
  // Read anew by each instruction:
  kClock,
  kClockHi,
  kClock64,
  kGlobalTimer,
  kGlobalTimerLo,
  kGlobalTimerHi,
};

// The register of that name ("%tid.x"); component 1 to 3 selects .x to .z of a vector one.
std::optional<SpecialRegister> find_special_register(std::string_view name);
// kU32 or kU64; %gridid, %clock64 and %globaltimer are wide.
ptx::Type type_of(SpecialRegister special);
// Changes while a warp runs, so it cannot be splatted once.
bool is_volatile(SpecialRegister special);
// For the support matrix. Without %envreg3 and up, which have no names here and hold 0.
std::vector<std::string_view> special_register_names();

}  // namespace slipstream::emulator
