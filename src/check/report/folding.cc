#include "check/report/folding.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

namespace slipstream::check {
namespace {

// Instances name one parameter with different types: "parameter 3 (float const*)".
std::string without_types(const std::string& text) {
  std::string result;
  int depth = 0;
  for (const char c : text) {
    if (c == '(') ++depth;
    if (depth == 0) result += c;
    if (c == ')' && depth > 0) --depth;
  }
  return result;
}

bool has_lines(const Finding& finding) {
  return !finding.places.empty() &&
         std::none_of(finding.places.begin(), finding.places.end(),
                      [](const Place& place) { return place.file.empty(); });
}

// The same for findings with one cause.
std::string cause(const Finding& finding) {
  std::string key =
      fmt::format("{} {} {} {} {}", static_cast<int>(finding.rule), name_of(finding.severity),
                  name_of(finding.certainty), without_types(finding.message), finding.allowed);
  if (!has_lines(finding)) return key + ' ' + template_name(finding.kernel);
  std::set<std::string> lines;
  for (const Place& place : finding.places) lines.insert(place.text());
  for (const std::string& line : lines) key += ' ' + line;
  return key;
}

}  // namespace

std::vector<Fold> fold(const std::vector<Finding>& findings) {
  std::vector<Fold> folds;
  std::map<std::string, size_t> numbers;
  for (const Finding& finding : findings) {
    const auto [entry, is_new] = numbers.try_emplace(cause(finding), folds.size());
    if (is_new) folds.push_back({.findings = {}, .same_lines = has_lines(finding)});
    folds[entry->second].findings.push_back(&finding);
  }
  return folds;
}

std::string template_name(const std::string& demangled) {
  std::string result;
  int depth = 0;
  for (size_t i = 0; i < demangled.size(); ++i) {
    const char c = demangled[i];
    // "(anonymous namespace)" is a part of the name, other parentheses begin the parameters.
    if (c == '(' && depth == 0 && !demangled.substr(i).starts_with("(anonymous")) break;
    if (c == '<') ++depth;
    if (depth == 0) result += c;
    if (c == '>') --depth;
  }
  // A template's name follows its return type.
  const size_t space = result.find(' ');
  const bool has_type = space != std::string::npos && !result.starts_with("(anonymous");
  return has_type ? result.substr(space + 1) : result;
}

std::string short_name(const std::string& demangled) {
  constexpr size_t kMost = 240;
  if (demangled.size() <= kMost) return demangled;
  return fmt::format("{}...", std::string_view(demangled).substr(0, kMost));
}

}  // namespace slipstream::check
