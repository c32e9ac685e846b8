// Variables by the address of their host shadow.
#pragma once

#include <cstddef>

namespace slipstream::emulator::runtime {

// The address of byte `offset` of the variable. Throws ApiError cudaErrorInvalidSymbol where
// `symbol` is none, and cudaErrorInvalidValue where it does not have `offset` + `count` bytes.
void* symbol_range(const void* symbol, size_t offset, size_t count);

}  // namespace slipstream::emulator::runtime
