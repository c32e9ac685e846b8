// Keeps the memory system busy while a chain runs.
#pragma once

namespace slipstream::litmus {

// Launched with (unsigned* memory, unsigned words, unsigned nanoseconds).
[[nodiscard]] const void* traffic_kernel();

}  // namespace slipstream::litmus
