#include "emulator/runtime/library_call.h"

#include <stdexcept>

#include "emulator/runtime/operation.h"
#include "emulator/runtime/runtime.h"

namespace slipstream::emulator::runtime {
namespace {

template <class Action>
void for_each_row(const MemoryUse& use, Action action) {
  if (use.width == 0 || use.height == 0) return;
  if (use.pitch == use.width || use.height == 1) {
    action(use.address, use.width * use.height);
    return;
  }
  for (uint64_t row = 0; row < use.height; ++row) {
    action(use.address + row * use.pitch, use.width);
  }
}

void check(const std::vector<MemoryUse>& uses, uint32_t number) {
  for (const MemoryUse& use : uses) {
    if (use.width == 0 || use.height == 0) continue;
    device().require_range(use.what, use.address, (use.height - 1) * use.pitch + use.width, number);
  }
}

void touch(const std::vector<MemoryUse>& uses, bool written) {
  for (const MemoryUse& use : uses) {
    if (use.is_written != written) continue;
    for_each_row(use, [&](uint64_t address, uint64_t size) {
      written ? device().call_writes(address, size) : device().call_reads(address, size);
    });
  }
}

}  // namespace

void run_library_call(const LibraryOperation& operation) {
  const LibraryCall& call = *operation.call;
  try {
    check(call.uses, operation.device);
    std::vector<MemoryUse> further;
    if (call.further_uses) further = call.further_uses();
    check(further, operation.device);
    device().begin_call(call.function);
    for (const bool written : {false, true}) {
      touch(call.uses, written);
      touch(further, written);
    }
  } catch (const LaunchError& error) {
    throw std::runtime_error(call.function + ": " + error.what());
  }
  call.run();
}

void check_library_call(const LibraryOperation& operation) {
  check(operation.call->uses, operation.device);
}

}  // namespace slipstream::emulator::runtime
