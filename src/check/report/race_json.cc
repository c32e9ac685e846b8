#include "check/report/race_json.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <utility>

namespace slipstream::check {
namespace {

using RaceJson = nlohmann::json;

RaceSide parse_side(const RaceJson& json) {
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
  for (const RaceJson& line : json.at("lines")) {
    side.lines.push_back({line.at("file").get<std::string>(), line.at("line").get<uint32_t>(),
                          line.at("column").get<uint32_t>()});
  }
  json.at("instruction").get_to(side.instruction);
  json.at("ptx_line").get_to(side.ptx_line);
  return side;
}

RaceJson side_json(const RaceSide& side) {
  RaceJson lines = RaceJson::array();
  for (const RaceLine& line : side.lines) {
    lines.push_back({{"file", line.file}, {"line", line.line}, {"column", line.column}});
  }
  RaceJson json = {{"action", side.action},    {"kernel", side.kernel},
                   {"launch", side.launch},    {"cta", side.cta},
                   {"thread", side.thread},    {"thread_known", side.thread_known},
                   {"waited", side.waited},    {"is_host", side.is_host},
                   {"lines", lines},           {"instruction", side.instruction},
                   {"ptx_line", side.ptx_line}};
  if (side.device.has_value()) json["device"] = *side.device;
  return json;
}

// Places of a side in the shape that the static check's report has.
void add_places(const RaceSide& side, RaceJson& places) {
  if (side.is_host) return;
  RaceJson place = {{"file", ""},
                    {"line", 0},
                    {"inlined_at", RaceJson::array()},
                    {"code", fmt::format("PTX line {}", side.ptx_line)}};
  if (!side.lines.empty()) {
    place["file"] = side.lines.front().file;
    place["line"] = side.lines.front().line;
  }
  for (size_t i = 1; i < side.lines.size(); ++i) {
    place["inlined_at"].push_back(fmt::format("{}:{}", side.lines[i].file, side.lines[i].line));
  }
  places.push_back(std::move(place));
}

// What every finding has, whichever check found it: the second access is the one to mend.
RaceJson common_json(const RaceFinding& finding) {
  RaceJson places = RaceJson::array();
  add_places(finding.second, places);
  add_places(finding.first, places);
  return {{"rule", "race"},
          {"severity", name_of(finding.severity)},
          {"certainty", name_of(Certainty::kProven)},
          {"kernel", finding.second.is_host ? "" : finding.second.kernel},
          {"mangled", ""},
          {"subject", finding.allocation},
          {"message", fmt::format("{} ({})", finding.kind, finding.special)},
          {"threads", ""},
          {"places", places},
          {"path", RaceJson::array()},
          {"images", RaceJson::array()},
          {"mend", finding.missing},
          {"allowed", finding.allowed}};
}

RaceJson race_finding_json(const RaceFinding& finding) {
  RaceJson json = common_json(finding);
  json.update({{"process", finding.process},
               {"kind", finding.kind},
               {"class", finding.special},
               {"missing", finding.missing},
               {"first", side_json(finding.first)},
               {"second", side_json(finding.second)},
               {"allocation", finding.allocation},
               {"offset", finding.offset},
               {"count", finding.count}});
  return json;
}

}  // namespace

RaceFileLine parse_race_line(std::string_view line) {
  const RaceJson json = RaceJson::parse(line);
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
  RaceJson findings = RaceJson::array();
  for (const RaceFinding& finding : report.findings) findings.push_back(race_finding_json(finding));
  const RaceJson json = {{"version", 1},
                         {"mode", "dynamic"},
                         {"grids", report.grids},
                         {"findings", findings},
                         {"problems", RaceJson::array()}};
  return json.dump(2, ' ', false, RaceJson::error_handler_t::replace) + "\n";
}

}  // namespace slipstream::check
