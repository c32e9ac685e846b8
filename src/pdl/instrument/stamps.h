// Times that a traced kernel records on the device, in nanoseconds of %globaltimer.
#pragma once

#include <cstdint>

namespace slipstream::trace {

// Of one CTA, by its first thread. 0 where it did not happen.
struct CtaStamps {
  uint64_t start;
  uint64_t trigger;
  uint64_t wait_return;
  uint64_t end;
  uint32_t cta;  // number in its grid
  uint32_t sm;
};

// Where CTAs put their stamps: each SM has a list of its own, so that they do not queue for a
// counter.
struct StampLists {
  CtaStamps* stamps;  // [kSms, capacity]
  uint32_t* counts;   // [kSms]
  uint32_t capacity;  // of a list; counts go on behind it
};

inline constexpr int kMaxSms = 256;

// Makes a variable of type StampLists in device memory one that Recorder sets. Returns a number
// that means nothing.
int register_lists(const void* symbol);

}  // namespace slipstream::trace
