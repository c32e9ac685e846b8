#include "check/findings/suppressions.h"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "io/file.h"
#include "slipstream/error.h"

namespace slipstream::check {
namespace {

constexpr std::string_view kMarker = "slipstream-check: allow ";

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

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

}  // namespace

void Suppressions::know(const std::string& file, const std::string& text) {
  files_[file] = split(text);
}

void Suppressions::apply(Finding& finding) {
  if (finding.places.empty()) return;
  const std::string id = id_of(finding.rule);
  std::string reason;
  for (const Place& place : finding.places) {
    reason = reason_at(place, id);
    if (reason.empty()) return;  // one place that is not excused keeps the finding
  }
  finding.allowed = reason;
}

const std::vector<std::string>& Suppressions::lines_of(const std::string& file) {
  const auto [entry, is_new] = files_.try_emplace(file);
  if (is_new && roots_.contain(file)) {
    try {
      entry->second = split(io::read_file(file));
    } catch (const Error&) {
      // What cannot be read allows nothing.
    }
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
