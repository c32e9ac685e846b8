// A signal that asks the program to end while kernels run. Who runs them stops at the next chance and says where they are.
#pragma once

#include <atomic>

namespace slipstream::emulator {

inline std::atomic<int> requested_stop{0};  // the signal's number; 0: none

}  // namespace slipstream::emulator
