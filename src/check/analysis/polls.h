// Loads that a kernel repeats until another grid has written something.
#pragma once

#include <cstdint>
#include <vector>

#include "check/analysis/kernel_code.h"

namespace slipstream::check {

// Those that threads reach before they are ordered by the wait: ordered with a scope, what they read
// decides a branch, and they are in a loop.
std::vector<uint32_t> polls_before_wait(const KernelCode& code);

// By block: whether every way there passes one of these polls, or the first try of one, which compilers
// put in front of the loop. Who wrote what is polled for may have ordered what follows.
std::vector<bool> blocks_after_polls(const KernelCode& code);

}  // namespace slipstream::check
