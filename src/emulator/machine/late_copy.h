// An asynchronous copy into shared memory that has been issued and not waited for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "emulator/machine/bulk_store.h"

namespace slipstream::emulator {

struct LateCopy {
  std::byte* to = nullptr;
  std::vector<std::byte> data;
  const std::byte* barrier = nullptr;  // the mbarrier that counts its bytes; none for cp.async
  uint32_t lane = 0;                   // cp.async: whose it is
  uint32_t commits = 0;                // cp.async: by that lane since
  Combine combine = nullptr;           // of a reduction
};

}  // namespace slipstream::emulator
