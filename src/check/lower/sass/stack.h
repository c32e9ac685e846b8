// What the compiler spills to the stack, word by word.
#pragma once

#include "check/lower/ir.h"
#include "code/sass/cubin.h"

namespace slipstream::check::from_sass {

// Gives words of the stack registers of their own, numbered from kMachineRegisters on, so that what is
// spilled is known as well as what is not: which warp it is, say. `function` is what `kernel` was
// decoded to, an instruction for each word of code. Words up to the highest address that is computed
// may be of objects: with all other local memory they stay one cell.
void tell_stack_words_apart(const sass::Kernel& kernel, Function& function);

}  // namespace slipstream::check::from_sass
