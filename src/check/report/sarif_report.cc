#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "check/report/text_report.h"
#include "check/rules/rules.h"

namespace slipstream::check {
namespace {

using SarifJson = nlohmann::ordered_json;

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

// The number after "SASS 0x" or "PTX line ".
std::optional<uint32_t> position_in(const std::string& code, std::string_view kind, int base) {
  if (!code.starts_with(kind)) return std::nullopt;
  uint32_t value = 0;
  const auto [end, error] =
      std::from_chars(code.data() + kind.size(), code.data() + code.size(), value, base);
  return error == std::errc() ? std::optional(value) : std::nullopt;
}

// Where there is no line information: the file of the image, with the place in it if that can be said.
SarifJson place_in_image(const Finding& finding, const Place& place) {
  std::string file;
  if (!finding.images.empty()) {
    file = finding.images.front().substr(0, finding.images.front().rfind(": "));
  }
  SarifJson physical = {{"artifactLocation", {{"uri", uri_of(file)}}}};
  const auto line = position_in(place.code, "PTX line ", 10);
  if (line && std::string_view(file).ends_with(".ptx")) {
    physical["region"] = {{"startLine", *line}};
  }
  if (const auto offset = position_in(place.code, "SASS 0x", 16)) {
    const std::string& name = finding.mangled.empty() ? finding.kernel : finding.mangled;
    physical["address"] = {{"offsetFromParent", *offset},
                           {"kind", "instruction"},
                           {"fullyQualifiedName", fmt::format("{}+{:#x}", name, *offset)}};
  }
  return physical;
}

SarifJson sarif_location(const Finding& finding, const Place& place) {
  SarifJson physical = place_in_image(finding, place);
  if (!place.file.empty()) {
    physical = {{"artifactLocation", {{"uri", uri_of(place.file)}}}};
    if (place.line != 0) physical["region"] = {{"startLine", place.line}};
  }
  SarifJson location = {{"physicalLocation", physical}};
  if (!finding.kernel.empty()) {
    location["logicalLocations"] =
        SarifJson::array({{{"fullyQualifiedName", finding.kernel}, {"kind", "function"}}});
  }
  if (!place.code.empty()) location["message"] = {{"text", place.code}};
  return location;
}

// One location for the finding, which code hosts show, and the others as related ones: these must
// differ from each other, and each has a number.
void add_locations(const Finding& finding, SarifJson& result) {
  const Place nowhere;
  const Place& first = finding.places.empty() ? nowhere : finding.places.front();
  result["locations"] = SarifJson::array({sarif_location(finding, first)});
  SarifJson related = SarifJson::array();
  for (size_t i = 1; i < finding.places.size(); ++i) {
    SarifJson location = sarif_location(finding, finding.places[i]);
    if (location == result["locations"].front() ||
        std::find(related.begin(), related.end(), location) != related.end()) {
      continue;
    }
    related.push_back(std::move(location));
  }
  for (size_t i = 0; i < related.size(); ++i) related[i]["id"] = i;
  result["relatedLocations"] = std::move(related);
}

SarifJson sarif_result(const Finding& finding) {
  const RuleInfo& rule = info_of(finding.rule);
  SarifJson result = {
      {"ruleId", rule.id},
      {"ruleIndex", static_cast<int>(finding.rule)},
      {"level", name_of(finding.severity)},
      {"message", {{"text", finding.message + ". " + std::string(rule.mend)}}},
      {"partialFingerprints",
       {{"slipstream/v1", std::string(rule.id) + "|" + finding.mangled + "|" + finding.subject}}},
      {"properties", {{"certainty", name_of(finding.certainty)}, {"threads", finding.threads}}}};
  add_locations(finding, result);
  if (!finding.allowed.empty()) {
    result["suppressions"] =
        SarifJson::array({{{"kind", "inSource"}, {"justification", finding.allowed}}});
  }
  return result;
}

}  // namespace

std::string sarif_report(const Report& report) {
  SarifJson rules = SarifJson::array();
  for (const RuleInfo* rule : all_rules()) {
    rules.push_back({{"id", rule->id},
                     {"shortDescription", {{"text", rule->title}}},
                     {"help", {{"text", rule->mend}}}});
  }
  SarifJson results = SarifJson::array();
  for (const Finding& finding : report.findings) results.push_back(sarif_result(finding));
  SarifJson notifications = SarifJson::array();
  for (const Problem& problem : report.problems) {
    notifications.push_back(
        {{"level", "error"}, {"message", {{"text", problem.file + ": " + problem.what}}}});
  }
  const SarifJson sarif = {
      {"$schema", "https://json.schemastore.org/sarif-2.1.0.json"},
      {"version", "2.1.0"},
      {"runs", SarifJson::array(
                   {{{"tool", {{"driver", {{"name", "slipstream check"}, {"rules", rules}}}}},
                     {"results", results},
                     {"invocations",
                      SarifJson::array(
                          {{{"executionSuccessful", report.problems.empty() && !report.stopped},
                            {"toolExecutionNotifications", notifications}}})}}})}};
  return sarif.dump(2, ' ', false, SarifJson::error_handler_t::replace) + "\n";
}

}  // namespace slipstream::check
