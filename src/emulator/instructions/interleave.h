// Elements of a row in memory, of which each lane has several in turn, from and to registers, where each element has its
// 32 lanes together. By shuffles of whole vectors: the compiler's own way ends with single lanes, and what reads a
// register as vectors then waits until these have reached the cache.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "emulator/instructions/address_shape.h"
#include "emulator/instructions/lanes.h"
#include "emulator/program/operation.h"

namespace slipstream::emulator {

// Two vectors, one after the other in memory, by elements in turn.
template <class Vector, size_t kOffset, size_t kStep, size_t... kIndex>
Vector every(Vector a, Vector b, std::index_sequence<kIndex...>) {
  return __builtin_shufflevector(a, b, (kOffset + kStep * kIndex)...);
}

}
