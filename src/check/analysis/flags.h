// Flags in shared memory: a thread writes one once it has waited, and others read it again and again
// until it is there.
#pragma once

#include "check/lower/ir.h"

namespace slipstream::check {

// Makes kFlagWait of loads from shared memory that are polled, and where there are any, kFlagWrite of
// all writes to shared memory. Before the code is cut into blocks: a wait ends one.
void find_flags(Function& function);

}  // namespace slipstream::check
