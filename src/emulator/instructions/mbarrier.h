// mbarrier objects: 64 bits in shared memory, which only these functions understand.
#pragma once

#include <cstddef>
#include <cstdint>

#include "emulator/machine/warp.h"
#include "emulator/machine/watch.h"

namespace slipstream::emulator {

// The fields of an mbarrier. A phase completes when no arrival and no transaction byte is pending.
struct MbarrierState {
  uint32_t pending = 0;   // arrivals that the phase still expects
  uint32_t expected = 0;  // arrivals that the next phase will expect
  // Transaction bytes announced and not completed yet; may be negative for a while.
  int32_t bytes = 0;
  bool parity = false;  // of the current phase

  [[nodiscard]] uint64_t pack() const;
  static MbarrierState unpack(uint64_t bits);
};

inline constexpr uint32_t kMaxArrivals = (1U << 20) - 1;
inline constexpr int32_t kMaxBytes = (1 << 20) - 1;

// Each raises a fault for `lane` where there is no mbarrier at `address`, or a count leaves its
// range. The address may be that of another CTA of the cluster.

MbarrierState read_mbarrier(Warp& warp, uint32_t lane, uint64_t address);
void announce_bytes(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes);
void complete_bytes(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes);
// The two halves of that, for copies that arrive later than they are sent: a thread that waits is
// ordered after the lane that sent, and any lane may complete the bytes.
void note_sender(Warp& warp, uint32_t lane, uint64_t address);
void complete_noted_bytes(Warp& warp, uint32_t lane, uint64_t address, uint32_t bytes);

// For the race check: a copy that the mbarrier counts accesses shared memory; and lanes that arrive when their
// cp.async are done.
void note_counted(Warp& warp, uint32_t lane, uint64_t barrier, uint64_t address, uint32_t bytes,
                  race::AccessKind kind);
void note_copies_done(Warp& warp, uint32_t lane, uint64_t barrier);

// The object itself, which is the same whatever CTA's address leads to it.
const std::byte* mbarrier_object(Warp& warp, uint32_t lane, uint64_t address);

struct Arrival {
  uint32_t count = 1;
  uint32_t announced_bytes = 0;
  bool drops_out = false;      // later phases do not expect these arrivals any more
  bool is_additional = false;  // was not counted: the phase expects one more first
};
// Returns the state before.
MbarrierState arrive(Warp& warp, uint32_t lane, uint64_t address, const Arrival& arrival);

}  // namespace slipstream::emulator
