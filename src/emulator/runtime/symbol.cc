#include "emulator/runtime/symbol.h"

#include <fmt/format.h>

#include "emulator/runtime/error.h"
#include "emulator/runtime/memory.h"
#include "emulator/runtime/registry.h"

namespace slipstream::emulator::runtime {

void* symbol_range(const void* symbol, size_t offset, size_t count) {
  const Variable& variable = registry().variable(symbol);
  const Symbol found = registry().symbol(variable);
  if (offset > found.size || count > found.size - offset) {
    throw ApiError(cudaErrorInvalidValue,
                   fmt::format("variable {} must have {} bytes from byte {}, it has {} in all",
                               variable.name, count, offset, found.size));
  }
  return pointer_to(found.address + offset);
}

}  // namespace slipstream::emulator::runtime
