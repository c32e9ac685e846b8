// Source lines of SASS: the DWARF line program that nvcc -lineinfo leaves in a cubin.
#pragma once

#include "code/sass/cubin.h"

namespace slipstream::sass {

// Fills in `files` and `lines` of every kernel that has line information. A table that it cannot
// read leaves the kernels without lines: they are a courtesy, not part of the proof.
void read_line_table(const code::ElfFile& file, Cubin& image);

}  // namespace slipstream::sass
