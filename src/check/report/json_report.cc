#include <fmt/format.h>

#include <cctype>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>

#include "check/report/text_report.h"
#include "check/rules/rules.h"

namespace slipstream::check {
namespace {

using Json = nlohmann::ordered_json;

Json place_json(const Place& place) {
  return {{"file", place.file},
          {"line", place.line},
          {"inlined_at", place.inlined_at},
          {"code", place.code}};
}

Json finding_json(const Finding& finding) {
  const RuleInfo& rule = info_of(finding.rule);
  Json places = Json::array();
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

std::string_view sarif_level(Severity severity) { return name_of(severity); }

// Code hosts show findings in files that are named relative to where the check ran, the repository.
// Others get a whole address. Whatever URIs do not allow is escaped.
std::string uri_of(const std::string& file) {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path path = fs::path(file).lexically_normal();
  const fs::path relative = path.lexically_relative(fs::current_path(error));
  const bool inside = !relative.empty() && *relative.begin() != "..";
  std::string uri = path.is_absolute() && !inside ? "file://" : "";
  for (const char c : inside ? relative.string() : path.string()) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                       std::string_view("-._~/").find(c) != std::string_view::npos;
    uri += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return uri;
}

// SARIF wants a location with a file; without line information it names the image.
Json sarif_location(const Finding& finding, const Place& place) {
  std::string file = place.file;
  if (file.empty() && !finding.images.empty()) {
    file = finding.images.front().substr(0, finding.images.front().rfind(": "));
  }
  Json physical = {{"artifactLocation", {{"uri", uri_of(file)}}}};
  if (place.line != 0) physical["region"] = {{"startLine", place.line}};
  return {{"physicalLocation", physical},
          {"logicalLocations",
           Json::array({{{"fullyQualifiedName", finding.kernel}, {"kind", "function"}}})}};
}

Json sarif_result(const Finding& finding) {
  const RuleInfo& rule = info_of(finding.rule);
  Json locations = Json::array();
  Json related = Json::array();
  for (const Place& place : finding.places) {
    (locations.empty() ? locations : related).push_back(sarif_location(finding, place));
  }
  Json result = {
      {"ruleId", rule.id},
      {"ruleIndex", static_cast<int>(finding.rule)},
      {"level", sarif_level(finding.severity)},
      {"message", {{"text", finding.message + ". " + std::string(rule.mend)}}},
      {"locations", locations},
      {"relatedLocations", related},
      {"partialFingerprints",
       {{"slipstream/v1", std::string(rule.id) + "|" + finding.mangled + "|" + finding.subject}}},
      {"properties", {{"certainty", name_of(finding.certainty)}, {"threads", finding.threads}}}};
  if (!finding.allowed.empty()) {
    result["suppressions"] =
        Json::array({{{"kind", "inSource"}, {"justification", finding.allowed}}});
  }
  return result;
}

}  // namespace

std::string json_report(const Report& report) {
  Json findings = Json::array();
  for (const Finding& finding : report.findings) findings.push_back(finding_json(finding));
  Json problems = Json::array();
  for (const Problem& problem : report.problems) {
    problems.push_back({{"file", problem.file}, {"what", problem.what}});
  }
  const Json json = {{"version", 1},
                     {"files", report.files},
                     {"images", report.images},
                     {"stopped", report.stopped},
                     {"kernels", report.kernels},
                     {"waiting_kernels", report.waiting_kernels},
                     {"findings", findings},
                     {"problems", problems}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string sarif_report(const Report& report) {
  Json rules = Json::array();
  for (const RuleInfo* rule : all_rules()) {
    rules.push_back({{"id", rule->id},
                     {"shortDescription", {{"text", rule->title}}},
                     {"help", {{"text", rule->mend}}}});
  }
  Json results = Json::array();
  for (const Finding& finding : report.findings) results.push_back(sarif_result(finding));
  Json notifications = Json::array();
  for (const Problem& problem : report.problems) {
    notifications.push_back(
        {{"level", "error"}, {"message", {{"text", problem.file + ": " + problem.what}}}});
  }
  const Json sarif = {
      {"$schema", "https://json.schemastore.org/sarif-2.1.0.json"},
      {"version", "2.1.0"},
      {"runs",
       Json::array(
           {{{"tool", {{"driver", {{"name", "slipstream check"}, {"rules", rules}}}}},
             {"results", results},
             {"invocations",
              Json::array({{{"executionSuccessful", report.problems.empty() && !report.stopped},
                            {"toolExecutionNotifications", notifications}}})}}})}};
  return sarif.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace slipstream::check
