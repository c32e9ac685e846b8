#include "check/report/text_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "check/rules/rules.h"

namespace slipstream::check {
namespace {

// What findings about instances of one template have in common.
std::string shared_part(const Finding& finding) {
  std::string key =
      fmt::format("{} {} {} {} {}", info_of(finding.rule).id, name_of(finding.severity),
                  name_of(finding.certainty), finding.message, finding.allowed);
  for (const Place& place : finding.places) {
    key += place.file.empty() ? finding.mangled : ' ' + place.text();
  }
  return key;
}

void append_finding(const Finding& finding, size_t instances, std::string& text) {
  const RuleInfo& rule = info_of(finding.rule);
  text += fmt::format("{} {} ({}): {}\n", name_of(finding.severity), rule.id,
                      name_of(finding.certainty), finding.kernel);
  if (instances > 1)
    text += fmt::format("  and {} more kernels from the same lines\n", instances - 1);
  text += fmt::format("  {}\n", finding.message);
  for (const Place& place : finding.places) {
    text += fmt::format("    at {}", place.text());
    if (!place.file.empty() && !place.code.empty()) text += fmt::format(" ({})", place.code);
    for (const std::string& caller : place.inlined_at)
      text += fmt::format(", inlined at {}", caller);
    text += '\n';
  }
  if (!finding.path.empty()) {
    text += "  reached by:";
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
  std::map<std::string, size_t> instances;
  for (const Finding& finding : report.findings) ++instances[shared_part(finding)];
  for (const Finding& finding : report.findings) {
    seen.insert(finding.rule);
    size_t& count = instances[shared_part(finding)];
    if (count > 0) append_finding(finding, count, text);
    count = 0;
  }
  for (const Problem& problem : report.problems) {
    text += fmt::format("could not analyze {}: {}\n", problem.file, problem.what);
  }
  if (!seen.empty()) text += "What the rules mean, and how to mend it:\n";
  for (const Rule rule : seen) {
    const RuleInfo& info = info_of(rule);
    text += fmt::format("  {}: {}.\n      {}\n", info.id, info.title, info.mend);
  }
  const auto count = [&](Severity severity) {
    const auto number = std::count_if(
        report.findings.begin(), report.findings.end(),
        [&](const Finding& one) { return one.severity == severity && one.allowed.empty(); });
    return fmt::format("{} {}{}", number, name_of(severity), number == 1 ? "" : "s");
  };
  text += fmt::format("{} kernels in {} images of {} files, {} of them wait: {}, {}, {}\n",
                      report.kernels, report.images, report.files, report.waiting_kernels,
                      count(Severity::kError), count(Severity::kWarning), count(Severity::kNote));
  if (report.kernels > report.waiting_kernels) {
    text += fmt::format(
        "{} kernels never wait: they are right only if launched without the PDL attribute\n",
        report.kernels - report.waiting_kernels);
  }
  return text;
}

}  // namespace slipstream::check
