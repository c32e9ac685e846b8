// What a warp reads again and again: how the machine tells a warp that spins, until another grid or
// another device writes, from one that gets on.
//
// A strong load or an atomic that finds what it found before, at the same place by the same lanes, is
// a poll. Anything else that a warp does to global memory, and any new value, is progress and starts
// the count again.
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "emulator/program/operation.h"

namespace slipstream::emulator {

struct Cluster;
struct Warp;

// After so many polls without progress a warp is taken to spin.
inline constexpr uint32_t kPollsBeforeGivingWay = 64;

// A number that stands for the values that lanes have read.
class Digest {
 public:
  void add(const void* bytes, size_t size) {
    const auto* const from = static_cast<const std::byte*>(bytes);
    for (size_t i = 0; i < size; i += sizeof(uint64_t)) {
      uint64_t word = 0;
      std::memcpy(&word, from + i, std::min(size - i, sizeof(word)));
      value_ = std::rotl((value_ ^ word) * 0x9e3779b97f4a7c15ULL, 29);
    }
  }
  [[nodiscard]] uint64_t value() const { return value_; }

 private:
  uint64_t value_ = 0x2545f4914f6cdd1dULL;
};

// One warp-wide read.
struct PolledRead {
  const Operation* operation = nullptr;
  uint32_t pc = 0;
  uint32_t lanes = 0;
  uint32_t bytes = 0;  // of each lane
  std::array<uint64_t, kWarpSize> addresses{};
};

class Polls {
 public:
  // Counts a read with that result. Returns whether it was progress: not seen before.
  bool count(const PolledRead& read, uint64_t result);
  void progress() {
    unchanged_ = 0;
    ++streak_;
  }
  // After sleep the count starts again. What was polled is remembered, but belongs to the spin only if
  // it is polled again: the warp may have stopped looking at it.
  void wake() { progress(); }

  [[nodiscard]] uint32_t unchanged() const { return unchanged_; }
  [[nodiscard]] bool is_spinning() const { return unchanged_ >= kPollsBeforeGivingWay; }

  struct Entry {
    PolledRead read;
    uint64_t result = 0;
    uint64_t streak = 0;  // in which it was last found unchanged
  };
  // Calls function(entry) for the reads of the present spin.
  template <class Function>
  void for_each(Function function) const {
    for (const Entry& entry : entries_) {
      if (entry.streak == streak_) function(entry);
    }
  }

 private:
  std::vector<Entry> entries_;
  uint64_t streak_ = 1;
  uint32_t unchanged_ = 0;
};

// The warp, or its whole cluster, has done something that no spinning warp does.
void note_progress(Warp& warp);
// The warp has read from global memory, with that result.
void note_read(Warp& warp, const PolledRead& read, uint64_t result);

// All warps of the cluster spin or wait for those that do: it has nothing to do until `would_wake`.
void fall_asleep(Cluster& cluster);
void wake_up(Cluster& cluster);
// Whether a warp that spins would read something else now.
bool would_wake(const Cluster& cluster);

}  // namespace slipstream::emulator
