// What instrumented kernels record, and what they are told. Times are nanoseconds of %globaltimer.
#pragma once

#include <cstdint>

namespace slipstream::instrument {

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
  CtaStamps* stamps;  // [kMaxSms, capacity]
  uint32_t* counts;   // [kMaxSms]
  uint32_t capacity;  // of a list; counts may exceed it
};

inline constexpr int kMaxSms = 256;

// The same in all instrumented kernels of the process. Zeros: they do what plain ones do.
struct Instructions {
  StampLists lists;  // record there, if stamps is not null
  bool delays;       // sleep for a random time of up to 16 us after every trigger and wait
};

// Each object file of instrumented kernels registers its copy of the instructions, a variable in
// constant memory. Returns 0, so that a static initializer can call it.
int register_instructions(const void* symbol);

// Delays for as long as it lives: a kernel that relies on luck then meets late writes.
class Delays {
 public:
  Delays();
  ~Delays();
  Delays(const Delays&) = delete;
  Delays& operator=(const Delays&) = delete;
};

}  // namespace slipstream::instrument
