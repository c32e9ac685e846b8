#include "check/source_notes.h"

#include <algorithm>
#include <charconv>
#include <fstream>

namespace slipstream::check {
namespace {

constexpr std::string_view kWait = "griddepcontrol.wait";
constexpr std::string_view kMarker = "slipstream-check: allow ";

uint32_t line_at(std::string_view source, size_t position) {
  const auto before = source.substr(0, position);
  return static_cast<uint32_t>(1 + std::count(before.begin(), before.end(), '\n'));
}

// The text between the parentheses of the asm statement that `position` stands in, or nothing.
std::string_view asm_statement(std::string_view source, size_t position) {
  const size_t keyword = source.rfind("asm", position);
  if (keyword == std::string_view::npos) return {};
  const size_t open = source.find('(', keyword);
  if (open == std::string_view::npos || open > position) return {};
  const std::string_view between = source.substr(keyword, position - keyword);
  if (between.find(';') != std::string_view::npos) return {};
  int depth = 0;
  bool in_text = false;
  for (size_t i = open; i < source.size(); ++i) {
    const char c = source[i];
    if (c == '"' && source[i - 1] != '\\') in_text = !in_text;
    if (in_text) continue;
    if (c == '(') ++depth;
    if (c == ')' && --depth == 0) return source.substr(open, i - open);
  }
  return {};
}

bool is_commented(std::string_view source, size_t position) {
  const size_t line = source.rfind('\n', position) + 1;  // npos + 1 is 0
  return source.substr(line, position - line).find("//") != std::string_view::npos;
}

uint32_t number_in(std::string_view text) {
  uint32_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// Whether `rule` is one of the words of `list`: "R1 R6".
bool names(std::string_view list, std::string_view rule) {
  while (!list.empty()) {
    const size_t space = std::min(list.find(' '), list.size());
    if (list.substr(0, space) == rule) return true;
    list.remove_prefix(std::min(space + 1, list.size()));
  }
  return false;
}

}  // namespace

std::vector<Finding> find_missing_clobbers(std::string_view source, const std::string& name) {
  std::vector<Finding> findings;
  for (size_t at = source.find(kWait); at != std::string_view::npos;
       at = source.find(kWait, at + kWait.size())) {
    const std::string_view statement = asm_statement(source, at);
    if (statement.empty() || is_commented(source, at)) continue;
    if (statement.find("\"memory\"") != std::string_view::npos) continue;
    Finding finding;
    finding.rule = Rule::kMissingClobber;
    finding.severity = Severity::kWarning;
    finding.certainty = Certainty::kProven;
    finding.kernel = name;
    finding.message =
        "Waits in inline assembly that does not clobber memory: the compiler may move reads and "
        "writes over it";
    finding.places.push_back(
        {.file = name, .line = line_at(source, at), .inlined_at = {}, .code = {}});
    finding.images.emplace_back("source");
    findings.push_back(std::move(finding));
  }
  return findings;
}

void Suppressions::apply(Finding& finding) {
  if (finding.places.empty()) return;
  std::string reason;
  for (const Place& place : finding.places) {
    reason = reason_at(place, info_of(finding.rule).id);
    if (reason.empty()) return;  // one place that is not excused keeps the finding
  }
  finding.allowed = reason;
}

const std::vector<std::string>& Suppressions::lines_of(const std::string& file) {
  const auto [entry, is_new] = files_.try_emplace(file);
  if (is_new) {
    std::ifstream stream(file);
    for (std::string line; std::getline(stream, line);) entry->second.push_back(line);
  }
  return entry->second;
}

std::string Suppressions::reason_at(const Place& place, std::string_view rule) {
  std::string reason = reason_at(place.file, place.line, rule);
  for (const std::string& call : place.inlined_at) {
    if (!reason.empty()) break;
    const size_t colon = call.rfind(':');
    if (colon == std::string::npos) continue;
    reason =
        reason_at(call.substr(0, colon), number_in(std::string_view(call).substr(colon + 1)), rule);
  }
  return reason;
}

std::string Suppressions::reason_at(const std::string& file, uint32_t place_line,
                                    std::string_view rule) {
  if (file.empty() || place_line == 0) return {};
  const std::vector<std::string>& lines = lines_of(file);
  for (const uint32_t line : {place_line, place_line - 1}) {
    if (line == 0 || line > lines.size()) continue;
    const std::string& text = lines[line - 1];
    const size_t marker = text.find(kMarker);
    if (marker == std::string::npos) continue;
    const size_t colon = text.find(':', marker + kMarker.size());
    if (colon == std::string::npos) continue;  // no reason, no suppression
    const size_t reason = text.find_first_not_of(' ', colon + 1);
    const auto rules =
        std::string_view(text).substr(marker + kMarker.size(), colon - marker - kMarker.size());
    if (names(rules, rule) && reason != std::string::npos) return text.substr(reason);
  }
  return {};
}

}  // namespace slipstream::check
