// The report for people, and the same as JSON and as SARIF 2.1.0.
#pragma once

#include <string>

#include "check/report/report.h"

namespace slipstream::check {

// Findings with one cause are one paragraph; `expand` lists the kernels that it stands for.
std::string text_report(const Report& report, bool expand = false);
std::string json_report(const Report& report);
std::string sarif_report(const Report& report);

}  // namespace slipstream::check
