#include "check/report/filter.h"

#include <algorithm>

namespace slipstream::check {
namespace {

bool is_asked_for(const Finding& finding, const FindingFilter& filter) {
  const auto& [rules, kernels, severity] = filter;
  const bool rule =
      rules.empty() || std::find(rules.begin(), rules.end(), id_of(finding.rule)) != rules.end();
  const auto names = [&](const std::string& part) {
    return finding.kernel.find(part) != std::string::npos ||
           finding.mangled.find(part) != std::string::npos;
  };
  const bool kernel = kernels.empty() || std::any_of(kernels.begin(), kernels.end(), names);
  return rule && kernel && finding.severity >= severity;
}

}  // namespace

void keep_only(const FindingFilter& filter, Report& report) {
  std::erase_if(report.findings,
                [&](const Finding& finding) { return !is_asked_for(finding, filter); });
}

}  // namespace slipstream::check
