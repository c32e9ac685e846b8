// Memory that a kernel hands over to a dependent before its grid ends. R8 and R12 ask.
#pragma once

#include <cstdint>
#include <vector>

#include "check/rules/rule.h"

namespace slipstream::check {

// The writes to memory that is said to be handed over.
std::vector<uint32_t> handed_over_writes(const KernelCode& code);

// Whether the grid may release its dependents, by a trigger or by ending, without a fence after the
// write.
bool is_unfenced(const KernelCode& code, uint32_t write);

// Whether all threads have executed a trigger when they come to the write, so that nothing after it
// releases what it wrote.
bool comes_after_trigger(const KernelCode& code, uint32_t write);

// Whether the instruction may release the dependents.
bool releases(const Instruction& instruction);

}  // namespace slipstream::check
