// Handlers of .sync.aligned instructions: all lanes of the warp execute them together.
#pragma once

#include <cstddef>
#include <cstdint>

#include "emulator/instructions/lanes.h"
#include "emulator/machine/warp.h"

namespace slipstream::emulator {

// Handler: kExecute(operation, warp) once all lanes that have not exited are here.
template <auto kExecute>
Step execute_aligned(const Operation& operation, Warp& warp, uint32_t executing) {
  if (!gather(warp, operation, kAllLanes, executing)) {
    return park(warp, executing, Wait::kConvergence, kAllLanes);
  }
  kExecute(operation, warp);
  return Step::kNext;
}

// Operand `index` of an operation that may have more than eight.
template <class T>
T* listed_operand(const Operation& operation, Warp& warp, size_t index) {
  const uint32_t* const offsets =
      operation.all_operands != nullptr ? operation.all_operands : operation.operands.data();
  return lanes<T>(warp, offsets[index]);
}

}  // namespace slipstream::emulator
