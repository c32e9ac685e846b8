// Encodes one case's map and copies by it, on the device that the CUDA runtime finds.
#pragma once

#include <string>

#include "cases.h"
#include "data.h"

namespace slipstream::record_tensor_copies {

struct Outcome {
  uint32_t encoded = 0;    // CUresult of cuTensorMapEncodeTiled
  uint32_t error = 0;      // cudaError_t of the copy; after one the process cannot run another
  uint32_t completed = 0;  // loads: whether the mbarrier's phase ended with the announced bytes
  Bytes shared;            // after a load
  Bytes tensor;            // after a store or a reduction

  bool operator==(const Outcome&) const = default;
};

// Throws std::runtime_error where something other than the copy fails.
Outcome run_case(const Case& one);

std::string kernel_of(const Case& one);

}  // namespace slipstream::record_tensor_copies
