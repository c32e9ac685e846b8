// What the experts' launches plan alike: warps, rings, room next to each other.
#pragma once

#include <algorithm>

#include "step/kernels/experts/params.h"
#include "step/kernels/support/limits.h"

namespace slipstream::step::kernels {
inline namespace SLIPSTREAM_VARIANT {

// Two slots per warp are enough on the way; the fewer copies the better.
inline constexpr int kMaxSlots = 2;

// With so many tokens, at most, routed_experts leaves room for CTAs of expert_down next to its own. Then each
// multiprocessor has room for one of them before any of routed_experts' has ended.
inline constexpr int kNeighborlyTokens = 4;

// Static shared memory of a kernel that has this; dynamic memory begins at a multiple of 128.
template <class Shared>
inline constexpr int kStaticBytes = (static_cast<int>(sizeof(Shared)) + 127) / 128 * 128;

// As many warps of at most `most` as share `parts` out evenly.
inline int even_warps(int parts, int most) {
  const int rounds = (parts + most - 1) / most;
  return (parts + rounds - 1) / rounds;
}

// Rings whose slots hold `chunks` chunks, a group of a bf16 matrix being two.
inline RingShape plan_rings(bool is_fp8, int warps, int chunks, int other_bytes) {
  const int slot_bytes = chunks * kChunkBytes;
  const int slots = (device_limits().shared_bytes - other_bytes) / (warps * slot_bytes);
  return {std::clamp(slots, 1, kMaxSlots), slot_bytes, is_fp8 ? chunks : chunks / 2};
}

inline bool fits(int warps, int chunks, int other_bytes) {
  return other_bytes + warps * kMaxSlots * chunks * kChunkBytes <= device_limits().shared_bytes;
}

inline size_t dynamic_bytes(const RingShape& ring, int warps, int other_bytes) {
  return static_cast<size_t>(warps) * ring.slots * ring.slot_bytes + other_bytes;
}

}  // namespace SLIPSTREAM_VARIANT
}  // namespace slipstream::step::kernels
