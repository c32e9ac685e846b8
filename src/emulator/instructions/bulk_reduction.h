// The reductions of bulk copies: what each makes of an element in memory and the one that comes.
#pragma once

#include <cstdint>
#include <string_view>

#include "emulator/machine/bulk_store.h"
#include "emulator/machine/tensor_map.h"

namespace slipstream::emulator {

enum class Reduction : uint8_t { kAdd, kMin, kMax, kInc, kDec, kAnd, kOr, kXor };

Reduction reduction_from_name(std::string_view name);  // ".add"
std::string_view name_of(Reduction reduction);

// Null where there is no such reduction of that type. Bits are unsigned integers.
Combine combine_of(Reduction reduction, TensorType type);

}  // namespace slipstream::emulator
