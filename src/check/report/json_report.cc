#include <nlohmann/json.hpp>

#include "check/report/text_report.h"
#include "check/rules/rules.h"

namespace slipstream::check {
namespace {

using ReportJson = nlohmann::ordered_json;

ReportJson place_json(const Place& place) {
  return {{"file", place.file},
          {"line", place.line},
          {"inlined_at", place.inlined_at},
          {"code", place.code}};
}

ReportJson finding_json(const Finding& finding) {
  const RuleInfo& rule = info_of(finding.rule);
  ReportJson places = ReportJson::array();
  for (const Place& place : finding.places) places.push_back(place_json(place));
  return {{"rule", rule.id},
          {"severity", name_of(finding.severity)},
          {"certainty", name_of(finding.certainty)},
          {"kernel", finding.kernel},
          {"mangled", finding.mangled},
          {"subject", finding.subject},
          {"message", finding.message},
          {"threads", finding.threads},
          {"places", places},
          {"path", finding.path},
          {"images", finding.images},
          {"mend", rule.mend},
          {"allowed", finding.allowed}};
}

}  // namespace

std::string json_report(const Report& report) {
  ReportJson findings = ReportJson::array();
  for (const Finding& finding : report.findings) findings.push_back(finding_json(finding));
  ReportJson problems = ReportJson::array();
  for (const Problem& problem : report.problems) {
    problems.push_back({{"file", problem.file}, {"what", problem.what}});
  }
  const ReportJson json = {{"version", 1},
                           {"mode", "static"},
                           {"files", report.files},
                           {"images", report.images},
                           {"stopped", report.stopped},
                           {"kernels", report.kernels},
                           {"waiting_kernels", report.waiting_kernels},
                           {"findings", findings},
                           {"problems", problems}};
  return json.dump(2, ' ', false, ReportJson::error_handler_t::replace) + "\n";
}

}  // namespace slipstream::check
