#include "check/report/race_json.h"

#include <nlohmann/json.hpp>

namespace slipstream::check {
namespace {

using Json = nlohmann::json;

RaceSide parse_side(const Json& json) {
  RaceSide side;
  json.at("action").get_to(side.action);
  json.at("kernel").get_to(side.kernel);
  json.at("launch").get_to(side.launch);
  if (json.contains("device")) side.device = json.at("device").get<uint32_t>();
  json.at("cta").get_to(side.cta);
  json.at("thread").get_to(side.thread);
  json.at("thread_known").get_to(side.thread_known);
  json.at("waited").get_to(side.waited);
  json.at("is_host").get_to(side.is_host);
  for (const Json& line : json.at("lines")) {
    side.lines.push_back({line.at("file").get<std::string>(), line.at("line").get<uint32_t>(),
                          line.at("column").get<uint32_t>()});
  }
  json.at("instruction").get_to(side.instruction);
  json.at("ptx_line").get_to(side.ptx_line);
  return side;
}

Json side_json(const RaceSide& side) {
  Json lines = Json::array();
  for (const RaceLine& line : side.lines) {
    lines.push_back({{"file", line.file}, {"line", line.line}, {"column", line.column}});
  }
  Json json = {{"action", side.action},    {"kernel", side.kernel},
               {"launch", side.launch},    {"cta", side.cta},
               {"thread", side.thread},    {"thread_known", side.thread_known},
               {"waited", side.waited},    {"is_host", side.is_host},
               {"lines", lines},           {"instruction", side.instruction},
               {"ptx_line", side.ptx_line}};
  if (side.device.has_value()) json["device"] = *side.device;
  return json;
}

Json finding_json(const RaceFinding& finding) {
  return {{"process", finding.process},
          {"severity", name_of(finding.severity)},
          {"kind", finding.kind},
          {"class", finding.special},
          {"missing", finding.missing},
          {"first", side_json(finding.first)},
          {"second", side_json(finding.second)},
          {"allocation", finding.allocation},
          {"offset", finding.offset},
          {"count", finding.count},
          {"allowed", finding.allowed}};
}

}  // namespace

RaceFileLine parse_race_line(std::string_view line) {
  const Json json = Json::parse(line);
  RaceFileLine entry;
  if (json.contains("grids")) {
    entry.grids = json["grids"].get<uint64_t>();
    return entry;
  }
  RaceFinding& finding = entry.finding;
  json.at("number").get_to(entry.number);
  json.at("process").get_to(finding.process);
  finding.severity = json.at("severity") == "error" ? Severity::kError : Severity::kWarning;
  json.at("kind").get_to(finding.kind);
  json.at("class").get_to(finding.special);
  json.at("missing").get_to(finding.missing);
  finding.first = parse_side(json.at("first"));
  finding.second = parse_side(json.at("second"));
  json.at("allocation").get_to(finding.allocation);
  json.at("offset").get_to(finding.offset);
  json.at("count").get_to(finding.count);
  return entry;
}

std::string race_json(const RaceReport& report) {
  Json findings = Json::array();
  for (const RaceFinding& finding : report.findings) findings.push_back(finding_json(finding));
  const Json json = {{"version", 1}, {"grids", report.grids}, {"findings", findings}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace slipstream::check
