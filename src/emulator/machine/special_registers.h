// What special registers hold.
#pragma once

#include "emulator/program/special_register.h"

namespace slipstream::emulator {

struct Warp;
struct Frame;

// The value for each lane of the warp; `frame` is the activation that reads it.
void read_special_register(SpecialRegister special, const Warp& warp, const Frame& frame,
                           void* lanes);

}  // namespace slipstream::emulator
