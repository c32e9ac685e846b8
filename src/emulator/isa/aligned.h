// Handlers of .sync.aligned instructions: all lanes of the warp execute them together.
#pragma once

#include "emulator/isa/lanes.h"
#include "emulator/machine/warp.h"

namespace slipstream::emulator::isa {

// Handler: kExecute(operation, warp) once all lanes that have not exited are here.
template <auto kExecute>
Step execute_aligned(const Operation& operation, machine::Warp& warp, uint32_t executing) {
  if (!machine::gather(warp, operation, kAllLanes, executing)) {
    return machine::park(warp, executing, machine::Wait::kConvergence, kAllLanes);
  }
  kExecute(operation, warp);
  return Step::kNext;
}

// Operand `index` of an operation that may have more than eight.
template <class T>
T* listed_operand(const Operation& operation, machine::Warp& warp, size_t index) {
  const uint32_t* const offsets =
      operation.all_operands != nullptr ? operation.all_operands : operation.operands.data();
  return lanes<T>(warp, offsets[index]);
}

}  // namespace slipstream::emulator::isa
