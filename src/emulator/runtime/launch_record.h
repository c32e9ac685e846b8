// Notes launches for `slipstream emulate --record`, in the form of `slipstream record`.
#pragma once

#include "emulator/machine/launch.h"

namespace slipstream::emulator::runtime {

// Of a launch that has been submitted. `programmatic`: with the attribute, whether or not there was
// anything to overlap.
void record_launch(const KernelLaunch& launch, Ticket ticket, bool programmatic);

// To the file of this process in the folder SLIPSTREAM_EMULATOR_RECORD.
void write_launch_record();

}  // namespace slipstream::emulator::runtime
