// cuTensorMapEncodeTiled without the driver's types: checks its arguments and makes a tensor map.
#pragma once

#include <cstdint>
#include <stdexcept>

#include "emulator/machine/tensor_map.h"

namespace slipstream::emulator {

// The arguments as programs give them; numbers of enumerations may be anything.
struct TensorMapArguments {
  uint32_t type = 0;
  uint32_t rank = 0;
  uint64_t address = 0;
  const uint64_t* size = nullptr;
  const uint64_t* strides = nullptr;
  const uint32_t* box = nullptr;
  const uint32_t* step = nullptr;
  uint32_t interleave = 0;
  uint32_t swizzle = 0;
  uint32_t promotion = 0;  // L2 promotion: no effect
  uint32_t fill = 0;
};

// Says which argument is wrong, what it must be and what it is.
class TensorMapError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Throws TensorMapError.
TensorMap encode_tensor_map(const TensorMapArguments& arguments);
// The same map of a tensor elsewhere. Throws TensorMapError.
TensorMap move_tensor_map(TensorMap map, uint64_t address);

}  // namespace slipstream::emulator
