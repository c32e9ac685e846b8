// Runs the warps of a cluster.
#pragma once

#include <cstdint>
#include <optional>

#include "emulator/machine/cta.h"
#include "emulator/machine/fault.h"
#include "emulator/machine/worker.h"

namespace slipstream::emulator {

enum class TurnEnd : uint8_t {
  kFinished,     // every thread has exited
  kOutOfBudget,  // has work left
  kInterrupted,  // the same, long before: it has made ordered accesses, for whose end others may wait
  kWaitingForGrids,  // can go on only when prerequisite grids are complete
  kSpinning,         // its warps poll memory that does not change, or wait for warps that do
  kFault,
  kAbandoned,  // an earlier turn ended in a fault
};

struct TurnResult {
  TurnEnd end = TurnEnd::kFinished;
  std::optional<Fault> fault;
  bool made_progress = false;  // did something that no spinning warp does
  uint64_t warp_instructions = 0;
  uint64_t lane_instructions = 0;
  uint64_t cost = 0;  // of what the turn had as its budget
};

// Runs the cluster until it ends, blocks, or has used up `budget` instructions.
TurnResult run_turn(Cluster& cluster, Worker& worker, uint64_t budget);

}  // namespace slipstream::emulator
