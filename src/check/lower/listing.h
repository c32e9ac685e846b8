// A kernel's instructions as text, for reports that show the code around a finding.
#pragma once

#include <string_view>
#include <vector>

#include "check/lower/ir.h"
#include "code/sass/cubin.h"

namespace slipstream::check {

// What the table of opcodes knows of the machine code: predicate, name, the registers and address of
// memory instructions, and the words themselves for whoever has a disassembler.
std::vector<ListingLine> sass_listing(const sass::Kernel& kernel);

// The lines of the PTX text from which `function` was lowered. `source` must live as long.
std::vector<ListingLine> ptx_listing(const Function& function,
                                     const std::vector<std::string_view>& lines);
std::vector<std::string_view> lines_of(std::string_view source);

}  // namespace slipstream::check
