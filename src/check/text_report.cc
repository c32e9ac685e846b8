#include "check/text_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace slipstream::check {
namespace {

void append_finding(const Finding& finding, std::string& text) {
  const RuleInfo& rule = info_of(finding.rule);
  text += fmt::format("{} {} ({}): {}\n", name_of(finding.severity), rule.id,
                      name_of(finding.certainty), finding.kernel);
  text += fmt::format("  {}\n", finding.message);
  for (const Place& place : finding.places) {
    text += fmt::format("    at {}", place.text());
    if (!place.file.empty() && !place.code.empty()) text += fmt::format(" ({})", place.code);
    for (const std::string& caller : place.inlined_at)
      text += fmt::format(", inlined at {}", caller);
    text += '\n';
  }
  if (!finding.path.empty()) {
    text += "  way there:";
    for (const std::string& step : finding.path) text += fmt::format(" {};", step);
    text.back() = '\n';
  }
  for (const std::string& image : finding.images) text += fmt::format("  in {}\n", image);
  if (!finding.allowed.empty()) text += fmt::format("  allowed: {}\n", finding.allowed);
  text += '\n';
}

}  // namespace

std::string text_report(const Report& report) {
  std::string text;
  std::set<Rule> seen;
  for (const Finding& finding : report.findings) {
    append_finding(finding, text);
    seen.insert(finding.rule);
  }
  for (const Problem& problem : report.problems) {
    text += fmt::format("could not analyse {}: {}\n", problem.file, problem.what);
  }
  if (!seen.empty()) text += "What the rules mean, and how to mend it:\n";
  for (const Rule rule : seen) {
    const RuleInfo& info = info_of(rule);
    text += fmt::format("  {}: {}.\n      {}\n", info.id, info.title, info.mend);
  }
  const auto count = [&](Severity severity) {
    return std::count_if(report.findings.begin(), report.findings.end(), [&](const Finding& one) {
      return one.severity == severity && one.allowed.empty();
    });
  };
  text += fmt::format(
      "{} kernels in {} images of {} files, {} of them wait: {} errors, {} warnings, {} notes\n",
      report.kernels, report.images, report.files, report.waiting_kernels, count(Severity::kError),
      count(Severity::kWarning), count(Severity::kNote));
  if (report.kernels > report.waiting_kernels) {
    text += fmt::format(
        "{} kernels never wait: they are right only if launched without the PDL attribute\n",
        report.kernels - report.waiting_kernels);
  }
  return text;
}

}  // namespace slipstream::check
