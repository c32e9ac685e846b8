#include "check/report/race_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "check/findings/suppressions.h"
#include "check/report/race_json.h"

namespace slipstream::check {
namespace {

constexpr std::string_view kRule = "race";  // in "slipstream-check: allow race: ..."

std::string place_of(const RaceLine& line) { return fmt::format("{}:{}", line.file, line.line); }

// What tells one side from another: its source lines, or the instruction where there are none.
std::string identity(const RaceSide& side) {
  std::string text;
  for (const RaceLine& line : side.lines) text += place_of(line) + ' ';
  return text.empty() ? fmt::format("{} {}", side.kernel, side.ptx_line) : text;
}

std::string identity_of_pair(const RaceFinding& finding) {
  return fmt::format("{}|{}|{}|{}|{}", finding.kind, finding.special, finding.missing,
                     identity(finding.first), identity(finding.second));
}

std::string reason_for(const RaceSide& side, Suppressions& suppressions) {
  for (const RaceLine& line : side.lines) {
    std::string reason = suppressions.reason_at(line.file, line.line, kRule);
    if (!reason.empty()) return reason;
  }
  return {};
}

std::string triple(const std::array<uint32_t, 3>& index) {
  return fmt::format("({}, {}, {})", index[0], index[1], index[2]);
}

std::string side_text(const char* which, const RaceSide& side) {
  const std::string head =
      fmt::format("  {}: {} in {}, launch {}{}", which, side.action, side.kernel, side.launch,
                  side.device.has_value() ? fmt::format(" on device {}", *side.device) : "");
  if (side.is_host) return head + '\n';
  std::string text = fmt::format("{}, CTA {}, {}thread {}, {} the wait\n", head, triple(side.cta),
                                 side.thread_known ? "" : "warp of ", triple(side.thread),
                                 side.waited ? "after" : "not after");
  bool is_inner = true;
  for (const RaceLine& line : side.lines) {
    text += fmt::format("    {} {}\n", is_inner ? "at" : "inlined at", place_of(line));
    is_inner = false;
  }
  return text + fmt::format("    PTX line {}: {}\n", side.ptx_line, side.instruction);
}

std::string finding_text(const RaceFinding& finding) {
  std::string text = fmt::format("{} {} ({}), seen {} times\n", name_of(finding.severity),
                                 finding.kind, finding.special, finding.count);
  text += side_text("first", finding.first);
  text += side_text("second", finding.second);
  if (!finding.allocation.empty()) {
    text += fmt::format("  memory: byte {} of {}\n", finding.offset, finding.allocation);
  }
  text += fmt::format("  missing: {}\n", finding.missing);
  if (!finding.allowed.empty()) text += fmt::format("  allowed: {}\n", finding.allowed);
  return text + '\n';
}

}  // namespace

RaceReport read_races(std::string_view lines) {
  RaceReport report;
  std::map<std::pair<uint64_t, uint64_t>, RaceFinding> latest;  // by process and number
  while (!lines.empty()) {
    const size_t end = std::min(lines.find('\n'), lines.size());
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    if (line.empty()) continue;
    RaceFileLine entry = parse_race_line(line);
    if (entry.grids) {
      report.grids += *entry.grids;
      ++report.processes;
      continue;
    }
    latest[{entry.finding.process, entry.number}] = std::move(entry.finding);
  }
  std::map<std::string, size_t> known;
  Suppressions suppressions;
  for (auto& [unused, finding] : latest) {
    const auto [place, is_new] =
        known.try_emplace(identity_of_pair(finding), report.findings.size());
    if (!is_new) {
      report.findings[place->second].count += finding.count;
      continue;
    }
    finding.allowed = reason_for(finding.first, suppressions);
    if (finding.allowed.empty()) finding.allowed = reason_for(finding.second, suppressions);
    report.findings.push_back(std::move(finding));
  }
  return report;
}

std::string race_text(const RaceReport& report) {
  std::string text;
  size_t errors = 0;
  size_t warnings = 0;
  size_t allowed = 0;
  for (const RaceFinding& finding : report.findings) {
    text += finding_text(finding);
    if (!finding.allowed.empty()) {
      ++allowed;
    } else {
      ++(finding.severity == Severity::kError ? errors : warnings);
    }
  }
  const auto plural = [](size_t count) { return count == 1 ? "" : "s"; };
  return text + fmt::format(
                    "slipstream emulate: {} grids checked for races: {} error{}, {} "
                    "warning{}, {} allowed\n",
                    report.grids, errors, plural(errors), warnings, plural(warnings), allowed);
}

bool has_races(const RaceReport& report, Severity severity) {
  return std::any_of(report.findings.begin(), report.findings.end(),
                     [&](const RaceFinding& finding) {
                       return finding.severity >= severity && finding.allowed.empty();
                     });
}

}  // namespace slipstream::check
