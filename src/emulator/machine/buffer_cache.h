// Memory of CTAs that have ended, for those that start: every byte of it holds one value, so that who takes it need not
// fill it, and who gives it back restores only what was written.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <vector>

#include "emulator/machine/aligned_buffer.h"

namespace slipstream::emulator {

class BufferCache {
 public:
  explicit BufferCache(std::byte value, size_t max_bytes = size_t{16} << 20U)
      : value_(value), max_bytes_(max_bytes) {}

  // At least so many bytes; none for 0.
  AlignedBuffer take(size_t bytes);
  void give_back(AlignedBuffer buffer);

 private:
  std::byte value_;
  size_t max_bytes_;  // that it keeps
  std::mutex mutex_;
  std::map<size_t, std::vector<AlignedBuffer>> free_;  // by size
  size_t bytes_ = 0;
};

// What shared memory holds before anybody writes it: not a number, in every floating-point type.
inline constexpr std::byte kUnwritten{0xff};

// What CTAs of a device hand on to each other.
struct CtaMemory {
  BufferCache shared{kUnwritten};
  BufferCache zeroed{std::byte{0}};  // local memory, and which bytes of shared memory are written
  // Of any value once they were used. As much as a cooperative grid has that fills the device.
  BufferCache registers{std::byte{0}, size_t{128} << 20U};
};

}  // namespace slipstream::emulator
