// An asynchronous copy into shared memory that has been issued and not waited for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace slipstream::emulator {

struct LateCopy {
  std::byte* to = nullptr;
  std::vector<std::byte> data;
  const std::byte* barrier = nullptr;  // the mbarrier that counts its bytes; none for cp.async
  uint32_t lane = 0;                   // cp.async: whose it is
  uint32_t commits = 0;                // cp.async: by that lane since
};

}  // namespace slipstream::emulator
