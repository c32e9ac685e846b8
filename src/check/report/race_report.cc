#include "check/report/race_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "check/source_notes.h"

namespace slipstream::check {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kRule = "race";  // in "slipstream-check: allow race: ..."

std::string place_of(const Json& line) {
  return fmt::format("{}:{}", line["file"].get<std::string>(), line["line"].get<uint32_t>());
}

// What tells one side from another: its source lines, or the instruction where there are none.
std::string identity(const Json& side) {
  std::string text;
  for (const Json& line : side["lines"]) text += place_of(line) + ' ';
  if (!text.empty()) return text;
  return fmt::format("{} {}", side["kernel"].get<std::string>(), side["ptx_line"].get<uint32_t>());
}

std::string identity_of_pair(const Json& finding) {
  return fmt::format("{}|{}|{}|{}|{}", finding["kind"].get<std::string>(),
                     finding["class"].get<std::string>(), finding["missing"].get<std::string>(),
                     identity(finding["first"]), identity(finding["second"]));
}

std::string reason_for(const Json& side, Suppressions& suppressions) {
  for (const Json& line : side["lines"]) {
    std::string reason = suppressions.reason_at(line["file"].get<std::string>(),
                                                line["line"].get<uint32_t>(), kRule);
    if (!reason.empty()) return reason;
  }
  return {};
}

std::string triple(const Json& index) {
  return fmt::format("({}, {}, {})", index[0].get<uint32_t>(), index[1].get<uint32_t>(),
                     index[2].get<uint32_t>());
}

std::string side_text(const char* which, const Json& side) {
  const std::string head =
      fmt::format("  {}: {} in {}, launch {}", which, side["action"].get<std::string>(),
                  side["kernel"].get<std::string>(), side["launch"].get<uint64_t>());
  if (side["is_host"].get<bool>()) return head + '\n';
  std::string text =
      fmt::format("{}, CTA {}, {}thread {}, {} the wait\n", head, triple(side["cta"]),
                  side["thread_known"].get<bool>() ? "" : "warp of ", triple(side["thread"]),
                  side["waited"].get<bool>() ? "behind" : "not behind");
  bool is_inner = true;
  for (const Json& line : side["lines"]) {
    text += fmt::format("    {} {}\n", is_inner ? "at" : "inlined at", place_of(line));
    is_inner = false;
  }
  return text + fmt::format("    PTX line {}: {}\n", side["ptx_line"].get<uint32_t>(),
                            side["instruction"].get<std::string>());
}

std::string finding_text(const Json& finding) {
  std::string text =
      fmt::format("{} {} ({}), seen {} times\n", finding["severity"].get<std::string>(),
                  finding["kind"].get<std::string>(), finding["class"].get<std::string>(),
                  finding["count"].get<uint64_t>());
  text += side_text("first", finding["first"]);
  text += side_text("second", finding["second"]);
  const auto allocation = finding["allocation"].get<std::string>();
  if (!allocation.empty()) {
    text += fmt::format("  memory: byte {} of {}\n", finding["offset"].get<uint64_t>(), allocation);
  }
  text += fmt::format("  missing: {}\n", finding["missing"].get<std::string>());
  const auto allowed = finding["allowed"].get<std::string>();
  if (!allowed.empty()) text += fmt::format("  allowed: {}\n", allowed);
  return text + '\n';
}

Severity severity_of(const Json& finding) {
  return finding["severity"] == "error" ? Severity::kError : Severity::kWarning;
}

}  // namespace

RaceReport read_races(std::string_view lines) {
  RaceReport report;
  std::map<std::pair<uint64_t, uint64_t>, Json> latest;  // by process and number
  while (!lines.empty()) {
    const size_t end = std::min(lines.find('\n'), lines.size());
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (line.empty()) continue;
    Json entry = Json::parse(line);
    if (entry.contains("grids")) {
      report.grids += entry["grids"].get<uint64_t>();
      ++report.processes;
      continue;
    }
    const std::pair key{entry["process"].get<uint64_t>(), entry["number"].get<uint64_t>()};
    latest[key] = std::move(entry);
  }
  std::map<std::string, size_t> known;
  Suppressions suppressions;
  for (auto& [unused, finding] : latest) {
    const auto [place, is_new] =
        known.try_emplace(identity_of_pair(finding), report.findings.size());
    if (!is_new) {
      Json& count = report.findings[place->second]["count"];
      count = count.get<uint64_t>() + finding["count"].get<uint64_t>();
      continue;
    }
    std::string reason = reason_for(finding["first"], suppressions);
    if (reason.empty()) reason = reason_for(finding["second"], suppressions);
    finding["allowed"] = reason;
    finding.erase("number");
    report.findings.push_back(std::move(finding));
  }
  return report;
}

std::string race_text(const RaceReport& report) {
  std::string text;
  size_t errors = 0;
  size_t warnings = 0;
  size_t allowed = 0;
  for (const Json& finding : report.findings) {
    text += finding_text(finding);
    if (!finding["allowed"].get<std::string>().empty()) {
      ++allowed;
    } else {
      ++(severity_of(finding) == Severity::kError ? errors : warnings);
    }
  }
  const auto plural = [](size_t count) { return count == 1 ? "" : "s"; };
  return text + fmt::format(
                    "slipstream emulate: {} grids checked for races: {} error{}, {} "
                    "warning{}, {} allowed\n",
                    report.grids, errors, plural(errors), warnings, plural(warnings), allowed);
}

std::string race_json(const RaceReport& report) {
  const Json json = {{"version", 1}, {"grids", report.grids}, {"findings", report.findings}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

bool has_races(const RaceReport& report, Severity severity) {
  return std::any_of(report.findings.begin(), report.findings.end(), [&](const Json& finding) {
    return severity_of(finding) >= severity && finding["allowed"].get<std::string>().empty();
  });
}

}  // namespace slipstream::check
