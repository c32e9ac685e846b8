// The clocks of two GPUs next to each other: %globaltimer differs from one to the next, and runs at
// another rate.
#pragma once

#include <cstdint>
#include <memory>

#include "pdl/device_buffer.h"
#include "pdl/stream.h"

namespace slipstream::bench {

// What both clocks showed at the same moment, in nanoseconds.
struct ClockReading {
  uint64_t here = 0;
  uint64_t there = 0;
  uint64_t error = 0;  // that `there` may have at most
};

// A time of the other clock, on this one, between (or near) two readings.
[[nodiscard]] uint64_t to_here(uint64_t there, const ClockReading& before,
                               const ClockReading& after);

class ClockPair {
 public:
  // Of the current device and of another one. They reach each other's memory.
  explicit ClockPair(int other);

  // Has the devices call each other back and forth, and takes the quickest answer: the other clock's
  // time in it was read between two of this one, as long after the first as before the second, give
  // or take half of what lies between them. Throws Error if no answer comes.
  [[nodiscard]] ClockReading read();

 private:
  struct Side {
    int device = 0;
    DeviceBuffer mailbox;
    std::unique_ptr<pdl::Stream> stream;
  };

  Side here_;
  Side there_;
  DeviceBuffer reading_;
};

}  // namespace slipstream::bench
