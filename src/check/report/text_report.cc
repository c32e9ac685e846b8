#include "check/report/text_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "check/report/folding.h"
#include "check/rules/rules.h"

namespace slipstream::check {
namespace {

void append_fold(const Fold& fold, bool expand, std::string& text) {
  const Finding& finding = *fold.findings.front();
  const RuleInfo& rule = info_of(finding.rule);
  text += fmt::format("{} {} ({}): {}\n", name_of(finding.severity), rule.id,
                      name_of(finding.certainty), short_name(finding.kernel));
  std::set<std::string> others;
  for (const Finding* one : fold.findings) others.insert(one->kernel);
  others.erase(finding.kernel);
  if (!others.empty()) {
    text += fmt::format("  and {} more kernels from the same {}\n", others.size(),
                        fold.same_lines ? "lines" : "template");
  }
  for (const std::string& other : others) {
    if (expand) text += fmt::format("    {}\n", other);
  }
  text += fmt::format("  {}\n", finding.message);
  for (const Place& place : finding.places) {
    text += fmt::format("    at {}", place.text());
    if (!place.file.empty() && !place.code.empty()) text += fmt::format(" ({})", place.code);
    if (place.file.empty() && !place.instruction.empty()) {
      text += fmt::format(": {}", place.instruction);
    }
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

std::string text_report(const Report& report, bool expand) {
  std::string text;
  std::set<Rule> seen;
  const std::vector<Fold> folds = fold(report.findings);
  for (const Fold& one : folds) {
    seen.insert(one.findings.front()->rule);
    append_fold(one, expand, text);
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
  if (folds.size() < report.findings.size()) {
    text += fmt::format("{} findings from {} causes\n", report.findings.size(), folds.size());
  }
  if (report.stopped) text += "stopped before everything was looked at\n";
  if (report.kernels > report.waiting_kernels) {
    text += fmt::format(
        "{} kernels never wait: they are right only if launched without the PDL attribute\n",
        report.kernels - report.waiting_kernels);
  }
  return text;
}

}  // namespace slipstream::check
