// While it lives, engines that are loaded run instrumented kernels, which sleep for a random time
// after every trigger and wait: a kernel that relies on luck then meets late writes.
#pragma once

#include "pdl/instrument/stamps.h"
#include "step/kernels/set.h"

namespace slipstream::engine::test {

class DelayedKernels {
 public:
  DelayedKernels() { step::kernels::switch_set(step::kernels::instrumented_set()); }
  ~DelayedKernels() { step::kernels::switch_set(step::kernels::plain_set()); }
  DelayedKernels(const DelayedKernels&) = delete;
  DelayedKernels& operator=(const DelayedKernels&) = delete;

 private:
  instrument::Delays delays_;
};

}  // namespace slipstream::engine::test
