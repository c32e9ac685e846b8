// The report as one page of HTML, which needs nothing but itself.
#pragma once

#include <string>

#include "check/findings/source_roots.h"
#include "check/report/report.h"

namespace slipstream::check {

// Findings with one cause are one entry, which opens: the branches that lead there, the code around
// each place, and the kernels it stands for. Source lines are shown where `roots` allow to open them,
// PTX and machine code where the places bring it.
std::string html_report(const Report& report, const SourceRoots& roots);

}  // namespace slipstream::check
