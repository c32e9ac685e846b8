// Parts of a report that are asked for.
#pragma once

#include <string>
#include <vector>

#include "check/report/report.h"

namespace slipstream::check {

struct FindingFilter {
  std::vector<std::string> rules;    // "R5"; empty: all
  std::vector<std::string> kernels;  // parts of the name, mangled or not; empty: all
  Severity severity = Severity::kNote;
};

// Drops the findings that are not asked for.
void keep_only(const FindingFilter& filter, Report& report);

}  // namespace slipstream::check
