// Bringing together the lanes that a .sync instruction's member mask names.
#pragma once

#include <fmt/format.h>

#include <cstdint>

#include "emulator/instructions/lanes.h"
#include "emulator/machine/warp.h"

namespace slipstream::emulator {

// Calls act(members) for every set of lanes that is complete: all lanes of its mask that have not
// exited execute this operation. `masks` has the mask of each lane; lanes with different masks are
// different sets. Lanes whose set is not complete park until it is.
template <class Action>
Step for_each_member_set(const Operation& operation, Warp& warp, uint32_t executing,
                         const uint32_t* masks, Action act) {
  uint32_t done = 0;
  uint32_t incomplete = 0;
  uint32_t awaited = 0;
  for (uint32_t rest = executing; rest != 0; rest = executing & ~done & ~incomplete) {
    const auto lane = static_cast<uint32_t>(__builtin_ctz(rest));
    const uint32_t mask = masks[lane];
    if (!has_lane(mask, lane)) {
      raise(FaultKind::kIllegalInstruction, lane,
            fmt::format("member mask {:#010x} does not name the executing lane {}", mask, lane));
    }
    if (gather(warp, operation, mask, executing)) {
      const uint32_t members = mask & warp.live;
      act(members);
      done |= members;
    } else {
      awaited |= mask;
      incomplete |= mask & executing;
    }
  }
  return incomplete == 0 ? Step::kNext : park(warp, incomplete, Wait::kConvergence, awaited);
}

}  // namespace slipstream::emulator
